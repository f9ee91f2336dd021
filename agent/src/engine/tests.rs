//! Tests of every engine on real files, through the [`Engine`] interface only.

use std::{io::Write as _, os::fd::OwnedFd};

use proto::trial::{self, EngineKind};

use super::*;
use crate::{buffers::Buffers, workload::OpKind};

const BLOCK: usize = 512;

fn file_of(blocks: u8) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    for block in 0..blocks {
        file.write_all(&[block; BLOCK]).unwrap();
    }
    file.into()
}

fn buffers(slots: u32) -> Buffers {
    Buffers::new(slots, BLOCK, 1).unwrap()
}

fn read(slot: Slot, block: u64) -> (Slot, Op) {
    (slot, Op::new(OpKind::Read, block * BLOCK as u64, BLOCK as u32))
}

fn drain(engine: &mut impl Engine, requests: usize) -> Vec<Completion> {
    let mut all = Vec::new();
    while all.len() < requests {
        engine.commit(1).unwrap();
        engine.reap(|completion| all.push(completion));
    }
    all.sort_by_key(|completion| completion.slot);
    all
}

/// Builds a real ring; `None`, with the test marked as skipped, if the host forbids rings.
fn ring(engine: trial::Engine, opcode: Opcode, file: OwnedFd) -> Option<Ring> {
    let setup =
        RingSetup { opcode, depth: 4, engine: &engine, worker: 0, poller: None, attach: &Attach::default() };
    match Ring::new(&setup, file, buffers(4)) {
        Ok((ring, _)) => Some(ring),
        Err(refusal) if refusal.code() == "ring-refused" => {
            crate::skip::skip(&format!("{} ({})", refusal.message(), refusal.remedy()));
            None
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
}

#[test]
fn psync_reads_and_counts() {
    let mut engine = Psync::new(file_of(3), buffers(1));
    engine.queue([read(0, 2)].into_iter());
    assert_eq!(drain(&mut engine, 1), [Completion { slot: 0, result: BLOCK as i32 }]);
    // SAFETY: the block is a live mapping and nothing is in flight.
    assert_eq!(unsafe { *engine.buffers().slot(0) }, 2);
    assert_eq!(engine.counts().syscalls[..2], [("pread64", 1), ("pwrite64", 0)]);
}

#[test]
fn psync_reports_short_reads_and_errors() {
    let mut engine = Psync::new(file_of(1), buffers(1));
    engine.queue([read(0, 9)].into_iter());
    assert_eq!(drain(&mut engine, 1)[0].result, 0, "past the end");
    let read_only = std::fs::File::open("/proc/self/exe").unwrap();
    let mut engine = Psync::new(read_only.into(), buffers(1));
    engine.queue([(0, Op::new(OpKind::Write, 0, BLOCK as u32))].into_iter());
    assert_eq!(drain(&mut engine, 1)[0].result, -libc::EBADF);
}

#[test]
fn ring_reads_with_every_combination_of_options() {
    for bits in 0..512u32 {
        let [files, buffers, single, defer, coop, ring_fd, array, force_async, vectored] =
            std::array::from_fn(|bit| bits & (1 << bit) != 0);
        if vectored && buffers {
            continue;
        }
        let knobs = trial::Engine {
            queue: trial::QueueOptions::of_depth(4),
            ring: trial::RingOptions {
                fixed_files: files,
                fixed_buffers: buffers,
                single_issuer: single || defer,
                defer_taskrun: defer,
                coop_taskrun: coop,
                registered_ring: ring_fd,
                no_sqarray: array,
                force_async,
                vectored,
                ..trial::RingOptions::default()
            },
            fallback: trial::Fallback::Allow,
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let Some(mut engine) = ring(knobs.clone(), Opcode::Transfer, file_of(4)) else { return };
        engine.queue((0..4).map(|slot| read(slot, u64::from(3 - slot))));
        let done = drain(&mut engine, 4);
        assert!(done.iter().all(|completion| completion.result == BLOCK as i32), "{knobs:?}: {done:?}");
        // SAFETY: the blocks are a live mapping and nothing is in flight.
        let first: Vec<u8> = (0..4).map(|slot| unsafe { *engine.buffers().slot(slot) }).collect();
        assert_eq!(first, [3, 2, 1, 0], "{knobs:?}");
        let counts = engine.counts();
        assert_eq!(counts.submitted, 4);
        assert!(counts.syscalls[0].1 >= 1 && counts.syscalls[0].0 == "io_uring_enter");
    }
}

#[test]
fn ring_writes_and_reports_errors() {
    let file = file_of(4);
    let again = file.try_clone().unwrap();
    let Some(mut engine) = ring(trial::Engine::new(EngineKind::IoUring), Opcode::Transfer, file) else {
        return;
    };
    engine.queue([(1, Op::new(OpKind::Write, 512, BLOCK as u32))].into_iter());
    assert_eq!(drain(&mut engine, 1), [Completion { slot: 1, result: BLOCK as i32 }]);
    let mut found = [0; BLOCK];
    std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::from(again), &mut found, 512).unwrap();
    assert_ne!(found, [1; BLOCK], "overwritten with the slot's data");

    let read_only = std::fs::File::open("/proc/self/exe").unwrap();
    let engine = ring(trial::Engine::new(EngineKind::IoUring), Opcode::Transfer, read_only.into());
    let mut engine = engine.unwrap();
    engine.queue([(0, Op::new(OpKind::Write, 0, BLOCK as u32))].into_iter());
    assert_eq!(drain(&mut engine, 1)[0].result, -libc::EBADF);
}

/// Writes blocks one after another through one slot. Returns how many of the blocks in the file are distinct.
fn distinct(engine: &mut impl Engine, file: &std::fs::File, blocks: u64) -> usize {
    for block in 0..blocks {
        engine.queue([(0, Op::new(OpKind::Write, block * BLOCK as u64, BLOCK as u32))].into_iter());
        assert_eq!(drain(engine, 1)[0].result, BLOCK as i32);
    }
    let mut found = vec![0; blocks as usize * BLOCK];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut found, 0).unwrap();
    found.chunks(BLOCK).collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn every_engine_writes_different_blocks() {
    const BLOCKS: u64 = 2000;
    let file = std::fs::File::from(file_of(0));
    let open = || OwnedFd::from(file.try_clone().unwrap());
    let varied = || Buffers::varied(1, BLOCK, 1, 0).unwrap();
    let check = |name: &str, distinct: usize| {
        assert_eq!(distinct as u64, BLOCKS, "{name}");
        file.set_len(0).unwrap();
    };
    check("psync", distinct(&mut Psync::new(open(), varied()), &file, BLOCKS));
    let knobs = trial::Engine::new(EngineKind::Pvsync2);
    check("pvsync2", distinct(&mut Pvsync2::new(&knobs, open(), varied()), &file, BLOCKS));
    match Libaio::new(1, open(), varied()) {
        Ok(mut engine) => check("libaio", distinct(&mut engine, &file, BLOCKS)),
        Err(refusal) => crate::skip::skip(&format!("libaio: {}", refusal.message())),
    }
    for (fixed_buffers, vectored) in [(false, false), (true, false), (false, true)] {
        let ring = trial::RingOptions { fixed_buffers, vectored, ..trial::RingOptions::default() };
        let engine = trial::Engine {
            ring,
            fallback: trial::Fallback::Allow,
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let attach = Attach::default();
        let opcode = Opcode::Transfer;
        let setup = RingSetup { opcode, depth: 1, engine: &engine, worker: 0, poller: None, attach: &attach };
        match Ring::new(&setup, open(), varied()) {
            Ok((mut ring, _)) => check("io_uring", distinct(&mut ring, &file, BLOCKS)),
            Err(refusal) => return crate::skip::skip(&refusal.message()),
        }
    }
}

#[test]
fn polling_thread_replaces_calls() {
    let knobs = trial::Engine {
        queue: trial::QueueOptions::of_depth(4),
        ring: trial::RingOptions {
            sqpoll: Some(trial::Sqpoll::default()),
            fixed_files: true,
            ..trial::RingOptions::default()
        },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let Some(mut engine) = ring(knobs, Opcode::Transfer, file_of(4)) else { return };
    for _ in 0..100 {
        engine.queue((0..4).map(|slot| read(slot, u64::from(slot))));
        // On a busy machine a wait may end before the polling thread has run.
        while engine.commit(4).unwrap() < 4 {}
        let mut reaped = 0;
        engine.reap(|completion| {
            assert_eq!(completion.result, BLOCK as i32);
            reaped += 1;
        });
        assert_eq!(reaped, 4);
    }
    let counts = engine.counts();
    assert_eq!(counts.submitted, 400);
    assert!(counts.syscalls[0].1 < 50, "{counts:?}: only to wake the thread");
}

#[test]
fn rings_can_share_a_polling_thread() {
    let knobs = trial::Engine {
        ring: trial::RingOptions {
            sqpoll: Some(trial::Sqpoll { shared: true, ..trial::Sqpoll::default() }),
            ..trial::RingOptions::default()
        },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let attach = Attach::default();
    let setup = |worker| RingSetup {
        opcode: Opcode::Transfer,
        depth: 4,
        engine: &knobs,
        worker,
        poller: None,
        attach: &attach,
    };
    let mut rings = Vec::new();
    for worker in 0..3 {
        match Ring::new(&setup(worker), file_of(4), buffers(4)) {
            Ok((ring, _)) => rings.push(ring),
            Err(refusal) => return crate::skip::skip(&refusal.message()),
        }
    }
    for ring in &mut rings {
        ring.queue([read(0, 1)].into_iter());
        assert_eq!(drain(ring, 1), [Completion { slot: 0, result: BLOCK as i32 }]);
    }
}

#[test]
fn pvsync2_repeats_only_calls_that_would_block() {
    let knobs = trial::Engine {
        calls: trial::CallFlags { nowait: true, ..trial::CallFlags::default() },
        ..trial::Engine::new(EngineKind::Pvsync2)
    };
    let mut engine = Pvsync2::new(&knobs, file_of(3), buffers(1));
    for block in 0..3 {
        engine.queue([read(0, block)].into_iter());
        assert_eq!(drain(&mut engine, 1), [Completion { slot: 0, result: BLOCK as i32 }]);
    }
    let counts = engine.counts();
    assert_eq!(counts.submitted, 3);
    assert!((3..=6).contains(&counts.syscalls[0].1), "{counts:?}");
}

#[test]
fn libaio_reads_writes_and_reports() {
    let mut engine = match Libaio::new(4, file_of(4), buffers(4)) {
        Ok(engine) => engine,
        Err(refusal) => return crate::skip::skip(&refusal.message()),
    };
    engine.queue((0..4).map(|slot| if slot == 3 { read(3, 90) } else { read(slot, u64::from(slot)) }));
    let done = drain(&mut engine, 4);
    assert_eq!(done.iter().map(|completion| completion.result).collect::<Vec<_>>(), [512, 512, 512, 0]);
    engine.queue([(2, Op::new(OpKind::Write, 0, BLOCK as u32))].into_iter());
    assert_eq!(drain(&mut engine, 1), [Completion { slot: 2, result: BLOCK as i32 }]);
    let counts = engine.counts();
    assert_eq!((counts.syscalls[0], counts.submitted), (("io_submit", 2), 5));
}

#[test]
fn nops_complete_in_one_call() {
    let Some(mut engine) = ring(trial::Engine::new(EngineKind::Nop), Opcode::Nop, file_of(1)) else { return };
    engine.queue((0..4).map(|slot| read(slot, 0)));
    assert_eq!(engine.commit(4).unwrap(), 4);
    let mut reaped = 0;
    assert!(!engine.moves_data());
    engine.reap(|completion| {
        assert_eq!(completion.result, 0);
        reaped += 1;
    });
    let counts = engine.counts();
    assert_eq!((reaped, counts.syscalls[0].1), (4, 1));
    assert_eq!((counts.batches[3], counts.batches.iter().sum::<u64>()), (1, 1), "one batch of 4 to 7");
    assert_eq!(counts.engine.cq_overflows, 0);
}

#[test]
fn classifies_batches_by_powers_of_two() {
    let classes: Vec<usize> = [0, 1, 2, 3, 4, 7, 8, 32_767, 32_768].into_iter().map(batch_class).collect();
    assert_eq!(classes, [0, 1, 2, 2, 3, 3, 4, 15, 16]);
}

#[test]
fn null_completes_every_request() {
    let mut engine = Null::new(4);
    engine.queue((0..3).map(|slot| read(slot, 0)));
    assert_eq!(engine.commit(0).unwrap(), 3);
    let mut slots = Vec::new();
    engine.reap(|completion| slots.push(completion.slot));
    assert_eq!(slots, [0, 1, 2]);
}

fn sync(slot: Slot, kind: OpKind) -> (Slot, Op) {
    (slot, Op::new(kind, 0, 0))
}

#[test]
fn every_engine_syncs() {
    let kinds = [OpKind::Fsync, OpKind::Fdatasync];
    let mut psync = Psync::new(file_of(2), buffers(1));
    let mut pvsync2 = Pvsync2::new(
        &trial::Engine {
            calls: trial::CallFlags { nowait: true, ..trial::CallFlags::default() },
            ..trial::Engine::new(EngineKind::Pvsync2)
        },
        file_of(2),
        buffers(1),
    );
    for kind in kinds {
        psync.queue([sync(0, kind)].into_iter());
        assert_eq!(drain(&mut psync, 1), [Completion { slot: 0, result: 0 }]);
        pvsync2.queue([sync(0, kind)].into_iter());
        assert_eq!(drain(&mut pvsync2, 1), [Completion { slot: 0, result: 0 }]);
    }
    for counts in [psync.counts(), pvsync2.counts()] {
        assert_eq!(counts.syscalls[2..], [("fsync", 1), ("fdatasync", 1)]);
        assert_eq!(counts.submitted, 2);
    }
    match Libaio::new(4, file_of(2), buffers(4)) {
        Ok(mut libaio) => {
            libaio.queue(kinds.into_iter().zip(0..).map(|(kind, slot)| sync(slot, kind)));
            assert!(drain(&mut libaio, 2).iter().all(|completion| completion.result == 0));
        }
        Err(refusal) => crate::skip::skip(&refusal.message()),
    }
    for fixed_files in [false, true] {
        let knobs = trial::Engine {
            ring: trial::RingOptions { fixed_files, ..trial::RingOptions::default() },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let Some(mut ring) = ring(knobs, Opcode::Transfer, file_of(2)) else { return };
        ring.queue(kinds.into_iter().zip(0..).map(|(kind, slot)| sync(slot, kind)));
        assert!(drain(&mut ring, 2).iter().all(|completion| completion.result == 0));
    }
}

#[test]
fn cancels_a_linked_sync_if_its_write_fails() {
    let link = |offset| (0, Op::new(OpKind::WriteLinked, offset, BLOCK as u32));
    let knobs = trial::Engine {
        ring: trial::RingOptions { link_sync: true, ..trial::RingOptions::default() },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let Some(mut good) = ring(knobs.clone(), Opcode::Transfer, file_of(4)) else { return };
    good.queue([link(0), sync(1, OpKind::Fdatasync)].into_iter());
    let done: Vec<i32> = drain(&mut good, 2).iter().map(|completion| completion.result).collect();
    assert_eq!((done, good.counts().syscalls[0].1 <= 2), (vec![BLOCK as i32, 0], true));
    // The file is not open for writing: the write fails, and the sync that is linked to it is cancelled.
    let read_only = std::fs::File::open("/proc/self/exe").unwrap();
    let mut bad = ring(knobs, Opcode::Transfer, read_only.into()).unwrap();
    bad.queue([link(0), sync(1, OpKind::Fdatasync), read(2, 0)].into_iter());
    let done: Vec<i32> = drain(&mut bad, 3).iter().map(|completion| completion.result).collect();
    assert_eq!(done, [-libc::EBADF, -libc::ECANCELED, BLOCK as i32]);
}

#[test]
fn counts_partial_submissions_of_linked_writes() {
    for (link_sync, parted) in [(true, 1), (false, 0)] {
        let knobs = trial::Engine {
            ring: trial::RingOptions { link_sync, ..trial::RingOptions::default() },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let Some(mut ring) = ring(knobs, Opcode::Transfer, file_of(2)) else { return };
        // The kernel ends a submission at a request with an unknown personality.
        let refused = io_uring::opcode::Nop::new().build().personality(4711).user_data(3);
        // SAFETY: a NOP refers to no memory, and the queue is empty.
        unsafe { ring.queue_entry(&refused) };
        ring.queue([read(0, 1)].into_iter());
        let done: Vec<_> = drain(&mut ring, 2).iter().map(|completion| completion.result).collect();
        assert_eq!(done, [BLOCK as i32, -libc::EINVAL]);
        let counts = ring.counts();
        assert_eq!((counts.parted, counts.submitted), (parted, 2));
    }
}

#[test]
fn vectored_requests_transfer_the_requested_length() {
    let knobs = trial::Engine {
        ring: trial::RingOptions { vectored: true, ..trial::RingOptions::default() },
        ..trial::Engine::new(EngineKind::IoUring)
    };
    let setup = RingSetup {
        opcode: Opcode::Transfer,
        depth: 2,
        engine: &knobs,
        worker: 0,
        poller: None,
        attach: &Attach::default(),
    };
    let (mut ring, _) = match Ring::new(&setup, file_of(8), Buffers::new(2, 4 * BLOCK, 1).unwrap()) {
        Ok(built) => built,
        Err(refusal) => return crate::skip::skip(&refusal.message()),
    };
    let long = Op::new(OpKind::Read, 0, 4 * BLOCK as u32);
    ring.queue([read(0, 1), (1, long)].into_iter());
    let done: Vec<i32> = drain(&mut ring, 2).iter().map(|completion| completion.result).collect();
    assert_eq!(done, [BLOCK as i32, 4 * BLOCK as i32]);
}
