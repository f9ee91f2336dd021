//! The processor's counts on the workers, in the audit. They are only exported.

use super::{CsvValue::*, Metric, Unit, metrics};

metrics! {
    /// Cycles per operation.
    CYCLES_PER_IO = Metric::sums("cycles_per_io", Unit::Count, |cell| cell.cost.hardware?.cycles_per_io)
        .help("CPU cycles of the workers per operation, counted in the audit.")
        .exported_only()
        .csv(&[("cycles_per_io", Value)]);

    /// Instructions per operation.
    INSTRUCTIONS_PER_IO = Metric::sums("instructions_per_io", Unit::Count, |cell| cell.cost.hardware?.instructions_per_io)
        .help("Instructions of the workers per operation, counted in the audit.")
        .exported_only()
        .csv(&[("instructions_per_io", Value)]);

    /// Cache misses per operation.
    CACHE_MISSES_PER_IO = Metric::sums("cache_misses_per_io", Unit::PerIo, |cell| cell.cost.hardware?.cache_misses_per_io)
        .help("Misses of the last-level cache per operation, counted in the audit.")
        .exported_only()
        .csv(&[("cache_misses_per_io", Value)]);
}
