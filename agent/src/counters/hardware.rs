//! Cycles, instructions and cache misses of the calling thread, from hardware counters. Virtual machines often have
//! none.

use std::io;

use perf_event::{Builder, Counter, events::Hardware as Event};
use proto::{
    outcome::{Capability, HardwareCounts},
    warning::{AuditWarning, HardwareFailure, Warning},
};

/// Counters on the calling thread; closed when dropped.
pub struct Hardware {
    /// In the order of [`EVENTS`]; absent if the processor does not count the event.
    counters: [Option<Counter>; EVENTS.len()],
}

/// The events, and whether they are counted in user mode only.
const EVENTS: [(Event, bool); 5] = [
    (Event::CPU_CYCLES, false),
    (Event::CPU_CYCLES, true),
    (Event::INSTRUCTIONS, false),
    (Event::INSTRUCTIONS, true),
    (Event::CACHE_MISSES, false),
];

impl Hardware {
    /// Opens the counters, disabled.
    ///
    /// # Errors
    /// If even cycles cannot be counted: the machine has no hardware counters, or they are not permitted.
    pub fn open() -> io::Result<Self> {
        Self::open_as(|(event, _)| Builder::new(event))
    }

    fn open_as(builder: impl Fn((Event, bool)) -> Builder<'static>) -> io::Result<Self> {
        let open = |wanted: (Event, bool)| {
            let mut builder = builder(wanted);
            builder.observe_self().any_cpu();
            if !wanted.1 {
                builder.include_kernel();
            }
            builder.build()
        };
        // Not a group: if the processor has too few counters, the kernel multiplexes them, and `scaled` corrects for
        // that.
        let mut counters = [const { None }; EVENTS.len()];
        counters[0] = Some(open(EVENTS[0])?);
        for (counter, wanted) in counters.iter_mut().zip(EVENTS).skip(1) {
            *counter = open(wanted).ok();
        }
        Ok(Self { counters })
    }

    /// Starts counting.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn arm(&mut self) -> io::Result<()> {
        self.counters.iter_mut().flatten().try_for_each(Counter::enable)
    }

    /// Stops counting.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.counters.iter_mut().flatten().try_for_each(Counter::disable)
    }

    /// The counts while armed.
    pub fn read(&mut self) -> HardwareCounts {
        let mut read = |index: usize| {
            let value = self.counters[index].as_mut()?.read_count_and_time().ok()?;
            scaled(value.count, value.time_enabled, value.time_running)
        };
        HardwareCounts {
            cycles: read(0),
            cycles_user: read(1),
            instructions: read(2),
            instructions_user: read(3),
            cache_misses: read(4),
        }
    }
}

/// Scales a count up to the time in which the event had no counter; `None` if it never had one.
fn scaled(count: u64, enabled: u64, running: u64) -> Option<u64> {
    (u128::from(count) * u128::from(enabled)).checked_div(u128::from(running)).map(|count| count as u64)
}

/// The reason why hardware counters are not available.
#[must_use]
pub fn failure(error: &io::Error) -> HardwareFailure {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => HardwareFailure::NoCounters,
        Some(libc::EPERM | libc::EACCES) => HardwareFailure::NotPermitted(error.into()),
        _ => HardwareFailure::NotOpened { error: error.into(), perf: super::perf::failure(error) },
    }
}

/// Counts the cycles of a short loop.
#[must_use]
pub fn self_test() -> Capability {
    let count = || -> io::Result<HardwareCounts> {
        let mut hardware = Hardware::open()?;
        hardware.arm()?;
        (0..10_000u64).for_each(|step| _ = std::hint::black_box(step));
        hardware.disarm()?;
        Ok(hardware.read())
    };
    let name = "perf.hardware".to_owned();
    let missing = |failure: HardwareFailure| Capability {
        name: "perf.hardware".to_owned(),
        available: false,
        detail: failure.to_string(),
        remedy: Warning::from(AuditWarning::HardwareCountersNotAvailable { failure }).remedy(),
    };
    match count() {
        Ok(HardwareCounts { cycles: Some(cycles @ 1..), .. }) => {
            let detail = format!("counted {cycles} cycles of a short loop");
            Capability { name, available: true, detail, remedy: String::new() }
        }
        Ok(_) => missing(HardwareFailure::NeverCounted),
        Err(error) => missing(failure(&error)),
    }
}

#[cfg(test)]
mod tests {
    use perf_event::events::Software;

    use super::*;

    #[test]
    fn multiplexed_counts_are_scaled() {
        assert_eq!(scaled(100, 10, 10), Some(100));
        assert_eq!(scaled(100, 10, 4), Some(250));
        assert_eq!(scaled(0, 10, 0), None, "never ran");
    }

    #[test]
    fn counts_only_while_armed() {
        // A software clock takes the same path on machines without hardware counters. It does not distinguish user
        // mode.
        let mut clocks = match Hardware::open_as(|_| Builder::new(Software::TASK_CLOCK)) {
            Ok(clocks) => clocks,
            Err(error) => return crate::skip::skip(&format!("perf is not permitted: {error}")),
        };
        let spin = |ms| {
            let begin = std::time::Instant::now();
            while begin.elapsed() < std::time::Duration::from_millis(ms) {
                std::hint::spin_loop();
            }
        };
        spin(20);
        clocks.arm().unwrap();
        spin(5);
        clocks.disarm().unwrap();
        spin(20);
        let cycles = clocks.read().cycles.unwrap();
        // On a busy machine the thread may get less CPU time than the 5 ms that passed.
        assert!((1..15_000_000).contains(&cycles), "{cycles} ns");
    }

    #[test]
    fn self_test_counts_or_gives_a_remedy() {
        let capability = self_test();
        assert_eq!(capability.available, capability.remedy.is_empty(), "{capability:?}");
        assert_eq!(capability.available, Hardware::open().is_ok());
    }
}
