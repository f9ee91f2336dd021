//! Mutations of valid input, for tests that read anything without a panic and without taking memory.
//!
//! `RINGBENCH_FUZZ_CASES` sets the number of cases of each test. A failing case is named by its number, which repeats it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Cases of an ordinary test run.
const FEW: u64 = 400;
/// Memory that all cases after the first tenth may add, in KiB.
const MAX_GROWTH: u64 = 64 << 10;

/// Reads mutations of the samples.
pub fn run(name: &str, samples: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    let set = std::env::var("RINGBENCH_FUZZ_CASES").ok().and_then(|count| count.parse().ok());
    let cases: u64 = set.unwrap_or(FEW);
    let mut early = 0;
    for case in 0..cases {
        if case == cases / 10 {
            early = peak_kib();
        }
        let bytes = mutated(samples, &mut Numbers(case.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5249_4E47));
        if catch_unwind(AssertUnwindSafe(|| read(&bytes))).is_err() {
            panic!("{name}: case {case} panics: {:?}", String::from_utf8_lossy(&bytes));
        }
    }
    let peak = peak_kib();
    // The kernel updates the figure in steps, so that it may be a little smaller than before.
    let grown = peak.saturating_sub(early);
    eprintln!("{name}: {cases} cases, peak {peak} KiB, {grown} KiB more than after a tenth");
    assert!(grown < MAX_GROWTH, "{name}: memory grew from {early} KiB to {peak} KiB");
}

/// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Texts that parsers trip over.
const TRAPS: [&[u8]; 16] = [
    b"18446744073709551615",
    b"-9223372036854775808",
    b"1e308",
    b"4294967295",
    b"274877906944",
    b"[[[[",
    b"- - - ",
    b"{a: ",
    b"\x1b]0;x\x07",
    "\u{202E}".as_bytes(),
    b"\0",
    b"\xff\xff\xff\xff",
    b"&a [*a, *a]",
    b"0",
    b"null",
    b"\n",
];

/// One to six changes of a sample.
fn mutated(samples: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = samples[numbers.below(samples.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(12)).min(bytes.len());
        match numbers.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.next() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, TRAPS[numbers.below(TRAPS.len())].iter().copied())),
            4 => drop(bytes.splice(at..end, TRAPS[numbers.below(TRAPS.len())].iter().copied())),
            5 => {
                let part = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            // Replaces a number, which is where limits are.
            _ => {
                let from = bytes[at..].iter().position(u8::is_ascii_digit).map(|digit| at + digit);
                if let Some(from) = from {
                    let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let number = (numbers.next() >> numbers.below(64)).to_string();
                    bytes.splice(from..from + length, number.into_bytes());
                }
            }
        }
    }
    bytes
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0)
}
