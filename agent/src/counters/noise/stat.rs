//! Parsers for /proc/stat and /proc/pressure/cpu.

use std::collections::BTreeMap;

proto::counters! {
    /// CPU time since the machine started, in the kernel's clock ticks (USER_HZ).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Spent {
        /// Processes in user mode, including niced processes and guests.
        pub(super) user: u64,
        /// Processes and kernel threads in kernel mode, without interrupts.
        pub(super) system: u64,
        /// Time that the hypervisor gave to other guests.
        pub(super) steal: u64,
    }
}

/// Parses the lines of all online CPUs; other lines are skipped.
pub(super) fn cpus(text: &str) -> BTreeMap<u32, Spent> {
    text.lines().filter_map(cpu).collect()
}

/// Parses `cpu1 user nice system idle iowait irq softirq steal guest guest_nice`
fn cpu(line: &str) -> Option<(u32, Spent)> {
    let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
    // The first line, the sum of all CPUs, has no number.
    let id = line.as_bytes().get(3)?.is_ascii_digit().then(|| words.next()?.parse().ok())??;
    let times = words.map_while(|word| word.parse().ok()).collect::<Vec<u64>>();
    let [user, nice, system, _idle, _iowait, _irq, _softirq, steal, ..] = times[..] else { return None };
    Some((id, Spent { user: user.saturating_add(nice), system, steal }))
}

/// Time for which at least one task waited, in microseconds: `some avg10=0.00 avg60=0.00 avg300=0.00 total=123`.
pub(super) fn pressure(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::counters::Counters as _;

    use super::*;

    const STAT: &str = "cpu  100 20 30 400 5 1 6 7 0 0\n\
        cpu0 60 20 10 200 5 1 3 2 0 0\n\
        cpu11 40 0 20 200 0 0 3 5 9 0\n\
        intr 1582917 0 0\nctxt 12\nbtime 5\nprocesses 77\nprocs_running 1\n";

    #[test]
    fn cpus_are_parsed_separately() {
        let cpus = cpus(STAT);
        assert_eq!(cpus.len(), 2, "the sum is not a CPU");
        assert_eq!(cpus[&0], Spent { user: 80, system: 10, steal: 2 });
        assert_eq!(cpus[&11], Spent { user: 40, system: 20, steal: 5 });
    }

    #[test]
    fn malformed_lines_are_skipped() {
        assert!(cpus("").is_empty());
        assert!(cpus("cpu0 1 2 3\ncpufreq 1 2 3 4 5 6 7 8\ncpu1 a b c d e f g h\n").is_empty());
        assert_eq!(pressure(""), None);
        assert_eq!(pressure("full avg10=0.00 total=5\n"), None);
        assert_eq!(pressure("some avg10=1.00 total=x\n"), None);
    }

    #[test]
    fn pressure_is_read_from_the_line_some() {
        let text = "some avg10=55.20 avg60=18.64 avg300=22.24 total=769655783\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(pressure(text), Some(769_655_783));
    }

    #[test]
    fn reads_this_host() {
        let text = std::fs::read_to_string("/proc/stat").unwrap();
        let cpus = cpus(&text);
        assert!(cpus.values().any(|cpu| cpu.user + cpu.system > 0), "{text}");
    }

    proptest! {
        #[test]
        fn formatted_lines_are_parsed(
            rows in prop::collection::btree_map(0u32..4096, prop::collection::vec(0u64..1 << 40, 8..12), 0..9),
        ) {
            let line = |(id, row): (&u32, &Vec<u64>)| {
                let row: Vec<String> = row.iter().map(u64::to_string).collect();
                format!("cpu{id} {}\n", row.join(" "))
            };
            let text: String = rows.iter().map(line).collect();
            let found = cpus(&format!("cpu  1 2 3 4 5 6 7 8 9 10\n{text}intr 1 2 3\n"));
            prop_assert_eq!(found.len(), rows.len());
            for (id, row) in rows {
                prop_assert_eq!(found[&id], Spent { user: row[0] + row[1], system: row[2], steal: row[7] });
            }
        }

        #[test]
        fn arbitrary_text_is_handled(text in ".{0,200}", cut in 0usize..300) {
            let _ = (cpus(&text), pressure(&text));
            // A truncated text yields no other CPU.
            let cut: String = STAT.chars().take(cut).collect();
            prop_assert!(cpus(&cut).keys().all(|id| [0, 1, 11].contains(id)));
        }

        #[test]
        fn differences_do_not_exceed_the_later_value(a in any::<[u64; 3]>(), b in any::<[u64; 3]>()) {
            let of = |[user, system, steal]: [u64; 3]| Spent { user, system, steal };
            let between = of(a).since(&of(b));
            prop_assert!(between.user <= a[0] && between.system <= a[1] && between.steal <= a[2]);
        }
    }
}
