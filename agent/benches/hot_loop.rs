//! The overhead of Ringbench, and of each engine on a file in the page cache: `cargo bench -p agent`.
//!
//! Times are per operation, with every latency recorded. `null` is the loop alone; the difference between an engine and
//! the raw system call is the overhead of the loop. On a shared machine, compare lines of one run, not of different
//! runs.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a benchmark may panic")]

use std::{
    fs::File, hint::black_box, io::Write as _, os::fd::OwnedFd, sync::atomic::AtomicBool, time::Duration,
};

use agent::{
    buffers::Buffers,
    clock::HotClock,
    engine::{Attach, Engine, Libaio, Null, Opcode, Psync, Pvsync2, Ring, RingSetup, Shared},
    worker::{
        hot::{self, Batching, Edges},
        pacer::Closed,
        recorder::{Recorded, Recorder, Slices},
    },
    workload::{OpKind, Ops},
};
use criterion::{Criterion, criterion_group, criterion_main};
use proto::{
    outcome::{Direction, Lane},
    trial::{self, EngineKind, FileTarget, Measure, Target, Trial, Workload},
    units::ByteSize,
};

const FILE: u64 = 64 << 20;

/// Ends the loop when enough operations are done; checks about every 20 µs.
struct Until {
    clock: HotClock,
    ops: u64,
    next: u64,
}

impl Edges for Until {
    fn next(&self) -> u64 {
        self.next
    }

    fn edge<E: Engine>(&mut self, now: u64, _: &E, recorder: &mut Recorder) -> bool {
        self.next = now + self.clock.ticks_in(20_000);
        recorder.tally.ops[0] < self.ops
    }
}

/// Swaps slices much more often than a trial does.
struct Swapping {
    until: Until,
    slices: Slices,
    index: u32,
}

impl Edges for Swapping {
    fn next(&self) -> u64 {
        self.until.next
    }

    fn edge<E: Engine>(&mut self, now: u64, engine: &E, recorder: &mut Recorder) -> bool {
        self.index += 1;
        recorder.swap(now, self.index);
        while let Some(slice) = self.slices.take() {
            self.slices.give_back(slice);
        }
        self.until.edge(now, engine, recorder)
    }
}

fn trial(block: u64) -> Trial {
    Trial {
        id: "bench".into(),
        seed: 1,
        target: Target::File(FileTarget::new(ByteSize(FILE), false)),
        workload: Workload { block_size: ByteSize(block).into(), ..Workload::default() },
        engine: trial::Engine::new(EngineKind::Null),
        measure: Measure::Timed,
    }
}

/// Runs the loop for at least `ops` operations, and scales the time to exactly `ops`.
fn run(engine: &mut impl Engine, block: u64, batching: Batching, ops: u64, swapping: bool) -> Duration {
    let clock = HotClock::new();
    let recorded = Recorded { last: Direction::Read, open: false };
    let (mut recorder, slices) = Recorder::new(clock.clone(), recorded, 3);
    let mut source = Ops::new(&trial(block), FILE, 0);
    let mut until = Until { clock: clock.clone(), ops, next: 0 };
    let stop = AtomicBool::new(false);
    let begin = clock.ticks();
    macro_rules! go {
        ($edges:expr) => {
            hot::run(
                hot::Worker {
                    engine,
                    pacer: &mut Closed,
                    ops: &mut source,
                    recorder: &mut recorder,
                    edges: $edges,
                    clock: &clock,
                    stop: &stop,
                },
                batching,
            )
        };
    }
    match swapping {
        false => go!(&mut until),
        true => go!(&mut Swapping { until, slices, index: 0 }),
    }
    .unwrap();
    let elapsed = clock.nanos_between(begin, clock.ticks());
    let done = recorder.tally.ops[0].max(1);
    Duration::from_nanos((u128::from(elapsed) * u128::from(ops) / u128::from(done)) as u64)
}

fn warm_file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    let tile: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for _ in 0..FILE >> 20 {
        file.write_all(&tile).unwrap();
    }
    file
}

fn engines(c: &mut Criterion) {
    let file = warm_file();
    let open = || OwnedFd::from(file.try_clone().unwrap());
    let one = Batching { depth: 1, submit: 1, complete: 1 };
    let batches = Batching { depth: 128, submit: 32, complete: 32 };
    let buffers = |depth: u32, block: u64| Buffers::new(depth, block as usize, 1).unwrap();
    let attach = Attach::default();

    let mut group = c.benchmark_group("null");
    group.bench_function("batches of 32", |b| {
        b.iter_custom(|ops| run(&mut Null::new(128), 4096, batches, ops, false));
    });
    group.bench_function("one at a time", |b| {
        b.iter_custom(|ops| run(&mut Null::new(1), 4096, one, ops, false));
    });
    group.bench_function("batches of 32, a swap every 20 us", |b| {
        b.iter_custom(|ops| run(&mut Null::new(128), 4096, batches, ops, true));
    });
    group.finish();

    let knobs = trial::Engine {
        ring: trial::RingOptions {
            fixed_files: true,
            fixed_buffers: true,
            single_issuer: true,
            defer_taskrun: true,
            ..trial::RingOptions::default()
        },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let ring = |opcode, block| {
        let setup =
            RingSetup { opcode, depth: 128, engine: &knobs, worker: 0, poller: None, attach: &attach };
        Ring::new(&setup, open(), buffers(128, block)).unwrap().0
    };
    let mut group = c.benchmark_group("nop");
    group.bench_function("batches of 32", |b| {
        b.iter_custom(|ops| run(&mut ring(Opcode::Nop, 512), 512, batches, ops, false));
    });
    // The cost of an uncontended lock, without single_issuer, which a shared ring does not support.
    let untuned = trial::Engine {
        ring: trial::RingOptions { fixed_files: true, ..trial::RingOptions::default() },
        ..trial::Engine::new(EngineKind::Nop)
    };
    let setup = RingSetup {
        opcode: Opcode::Nop,
        depth: 128,
        engine: &untuned,
        worker: 0,
        poller: None,
        attach: &attach,
    };
    group.bench_function("batches of 32, untuned", |b| {
        b.iter_custom(|ops| {
            let mut engine = Ring::new(&setup, open(), buffers(128, 512)).unwrap().0;
            run(&mut engine, 512, batches, ops, false)
        });
    });
    group.bench_function("batches of 32, shared by one", |b| {
        b.iter_custom(|ops| {
            let clock = HotClock::new();
            let (mut handles, _) = Shared::build(&setup, vec![open()], buffers(128, 512), &clock).unwrap();
            run(&mut handles[0], 512, batches, ops, false)
        });
    });
    group.finish();

    for block in [512, 4096] {
        let mut group = c.benchmark_group(format!("read {block} B from the page cache"));
        group.bench_function("the raw system call", |b| {
            use std::os::unix::fs::FileExt as _;
            let mut room = vec![0; block as usize];
            let mut source = Ops::new(&trial(block), FILE, 0);
            b.iter(|| file.read_at(black_box(&mut room), source.next_op().offset).unwrap());
        });
        group.bench_function("psync", |b| {
            b.iter_custom(|ops| run(&mut Psync::new(open(), buffers(1, block)), block, one, ops, false));
        });
        group.bench_function("pvsync2", |b| {
            let knobs = trial::Engine::new(EngineKind::Pvsync2);
            b.iter_custom(|ops| {
                run(&mut Pvsync2::new(&knobs, open(), buffers(1, block)), block, one, ops, false)
            });
        });
        group.bench_function("libaio, batches of 32", |b| {
            b.iter_custom(|ops| {
                let mut engine = Libaio::new(128, open(), buffers(128, block)).unwrap();
                run(&mut engine, block, batches, ops, false)
            });
        });
        group.bench_function("io_uring, tuned, batches of 32", |b| {
            b.iter_custom(|ops| run(&mut ring(Opcode::Transfer, block), block, batches, ops, false));
        });
        group.finish();
    }
}

fn recording(c: &mut Criterion) {
    let clock = HotClock::new();
    let recorded = Recorded { last: Direction::Read, open: false };
    let (mut recorder, _slices) = Recorder::new(clock.clone(), recorded, 1);
    let mut group = c.benchmark_group("recorder");
    group.bench_function("one latency", |b| {
        let mut now = clock.ticks();
        b.iter(|| {
            now += 997;
            recorder.complete(OpKind::Read, Lane::Bulk, 512, black_box(now - 1500 - now % 512), now);
            recorder.flush(now);
        });
    });
    group.bench_function("the clock", |b| b.iter(|| clock.ticks()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = engines, recording
}
criterion_main!(benches);
