//! Tests that need no drive: the layout of requests in the ring, the meaning of completions, rings with large entries
//! on this host, and the refusals without a drive.

use std::mem::ManuallyDrop;

use proto::trial::{self, EngineKind, Fallback, Sqpoll};

use super::*;
use crate::engine::{Attach, Opcode};

const BLOCK: usize = 4096;

fn namespace() -> Namespace {
    Namespace { id: 5, blocks: 1 << 20, lba_shift: 9, metadata: 0, protected: false }
}

fn file() -> OwnedFd {
    tempfile::tempfile().unwrap().into()
}

/// NOPs in entries of the size of commands.
struct LargeNops;

impl Requests for LargeNops {
    type Sqe = squeue::Entry128;
    type Cqe = cqueue::Entry32;

    fn open(params: &mut setup::Params, entries: u32) -> io::Result<IoUring<Self::Sqe, Self::Cqe>> {
        Commands::open(params, entries)
    }

    fn moves_data(&self) -> bool {
        false
    }

    fn entry(&mut self, context: &RequestContext, slot: Slot, op: Op) -> Self::Sqe {
        let about = u64::from(op.len) << 32 | u64::from(slot);
        opcode::Nop::new().build().user_data(about).flags(context.flags).into()
    }

    fn completion(entry: &Self::Cqe) -> Completion {
        Commands::completion(entry)
    }
}

fn large_nops(knobs: &trial::Engine) -> Result<(Ring<LargeNops>, Vec<Knob>), Refusal> {
    let setup = RingSetup {
        opcode: Opcode::Transfer,
        depth: knobs.queue.depth,
        engine: knobs,
        worker: 0,
        poller: None,
        attach: &Attach::default(),
    };
    Ring::with(LargeNops, &setup, vec![file()], Buffers::new(knobs.queue.depth, BLOCK, 1).unwrap())
}

/// Several rounds, so that both queues wrap around.
fn completes(ring: &mut Ring<LargeNops>, depth: u32) {
    for round in 0..5 {
        ring.queue((0..depth).map(|slot| (slot, Op::new(OpKind::Read, 0, 512 * (1 + round * depth + slot)))));
        let mut seen = Vec::new();
        while seen.len() < depth as usize {
            ring.commit(1).unwrap();
            ring.reap(|completion| seen.push((completion.slot, completion.result)));
        }
        seen.sort_unstable();
        let expected: Vec<_> =
            (0..depth).map(|slot| (slot, 512 * (1 + round * depth + slot) as i32)).collect();
        assert_eq!(seen, expected, "each completes in its slot, with its own length");
    }
    assert_eq!(ring.counts().submitted, u64::from(5 * depth));
}

#[test]
fn large_entries_work_with_every_combination_of_options() {
    for bits in 0..256u32 {
        let [files, buffers, single, defer, coop, ring_fd, array, polled] =
            std::array::from_fn(|bit| bits & (1 << bit) != 0);
        let knobs = trial::Engine {
            queue: trial::QueueOptions::of_depth(4),
            ring: trial::RingOptions {
                fixed_files: files,
                fixed_buffers: buffers,
                single_issuer: single || defer,
                defer_taskrun: defer && !polled,
                coop_taskrun: coop && !polled,
                registered_ring: ring_fd,
                no_sqarray: array,
                sqpoll: polled.then(Sqpoll::default),
                ..trial::RingOptions::default()
            },
            fallback: Fallback::Allow,
            ..trial::Engine::new(EngineKind::Nvme)
        };
        // A thread can register 16 rings during its life.
        let tried = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let (mut ring, granted) = large_nops(&knobs)?;
                assert!(granted.iter().all(Knob::is_on), "{knobs:?}: {granted:?}");
                completes(&mut ring, knobs.queue.depth);
                Ok::<_, Refusal>(())
            });
            worker.join().unwrap()
        });
        match tried {
            Err(refusal) if refusal.code() == "ring-refused" => return crate::skip::skip(&refusal.message()),
            other => other.unwrap(),
        }
    }
}

#[test]
fn does_not_grant_flags_that_large_rings_lack() {
    let mut knobs = trial::Engine {
        ring: trial::RingOptions { iopoll: true, hybrid_iopoll: true, ..trial::RingOptions::default() },
        ..trial::Engine::new(EngineKind::Nvme)
    };
    match large_nops(&knobs).map(|_| ()) {
        Err(refusal) if refusal.code() == "ring-refused" => return crate::skip::skip(&refusal.message()),
        other => assert_eq!(other.unwrap_err().field(), "engine.hybrid_iopoll"),
    }
    knobs.fallback = Fallback::Allow;
    let (_, granted) = large_nops(&knobs).unwrap();
    assert_eq!(granted, [Knob::switch("iopoll", true), Knob::switch("hybrid_iopoll", false)]);
}

fn bytes(entry: squeue::Entry128) -> [u8; 128] {
    // SAFETY: an entry is 128 bytes of plain numbers.
    unsafe { std::mem::transmute(entry) }
}

#[test]
fn requests_have_the_layout_of_the_kernel() {
    let buffers = Buffers::new(4, BLOCK, 1).unwrap();
    let address = buffers.slot(3).addr() as u64;
    let mut context = RequestContext::new(vec![file()], 4, squeue::Flags::empty(), buffers);
    let mut commands = Commands { namespace: namespace() };
    let op = Op::new(OpKind::Write, 10 * 512, 4096);
    let written = bytes(commands.entry(&context, 3, op));
    // IORING_OP_URING_CMD, with the number of the command in place of an offset.
    assert_eq!((written[0], written[1]), (46, 0));
    assert_eq!(written[4..8], context.fd(3).0.to_ne_bytes());
    assert_eq!(written[8..12], URING_CMD_IO.to_ne_bytes());
    assert_eq!(written[28..32], [0; 4], "no flags of the command");
    assert_eq!(written[32..40], (4096u64 << 32 | 3).to_ne_bytes());
    assert_eq!(written[48..], Command::transfer(op, 5, 9, address).area());

    (context.fixed_file, context.slots_per_buffer, context.flags) = (true, Some(2), squeue::Flags::ASYNC);
    let written = bytes(commands.entry(&context, 3, op));
    assert_eq!(written[1], squeue::Flags::ASYNC.bits() | 1, "a registered file");
    assert_eq!(written[4..8], [0; 4], "number 0");
    assert_eq!(written[28..32], 1u32.to_ne_bytes(), "IORING_URING_CMD_FIXED");
    assert_eq!(written[40..42], 1u16.to_ne_bytes(), "the second buffer has slots 2 and 3");
    // SAFETY: nothing uses the buffers any more.
    unsafe { ManuallyDrop::drop(&mut context.buffers) };
}

#[test]
fn status_is_an_error_not_a_length() {
    assert_eq!(result(0, 4096), 4096);
    assert_eq!(result(-libc::EINTR, 4096), -libc::EINTR);
    // "Unrecovered Read Error", with the bits for "do not retry" and "more in the log".
    assert_eq!(result(0x6281, 4096), -(NVME_STATUS + 0x281));
    assert!(-result(0x7FFF, 4096) < 4096, "within the table of the recorder");
}

#[test]
fn refuses_targets_that_are_not_nvme() {
    let knobs = trial::Engine::new(EngineKind::Nvme);
    let setup = RingSetup {
        opcode: Opcode::Transfer,
        depth: 1,
        engine: &knobs,
        worker: 0,
        poller: None,
        attach: &Attach::default(),
    };
    let refusal =
        Ring::passthrough(&setup, file(), Buffers::new(1, BLOCK, 1).unwrap()).map(|_| ()).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("passthrough-refused", "engine.engine"));
    assert!(refusal.remedy().contains("NVMe"), "{refusal:?}");
}

#[test]
fn failed_test_command_names_cause_and_remedy() {
    let knobs = trial::Engine::new(EngineKind::Nvme);
    let polled = trial::Engine { ring: trial::RingOptions { iopoll: true, ..knobs.ring }, ..knobs.clone() };
    let refusal = |result: i32, knobs: &trial::Engine| {
        let refusal = test_failed(result, knobs, 4096);
        (refusal.field(), format!("{} / {}", refusal.message(), refusal.remedy()))
    };
    let (field, text) = refusal(-(NVME_STATUS + 0x281), &knobs);
    assert!(field == "engine.engine" && text.contains("NVMe status 0x281"), "{text}");
    let (field, text) = refusal(-libc::EOPNOTSUPP, &polled);
    assert!(field == "engine.iopoll" && text.contains("6.1"), "{text}");
    let (field, text) = refusal(-libc::EOPNOTSUPP, &knobs);
    assert!(field == "engine.engine" && text.contains("5.19"), "{text}");
    let (field, text) = refusal(-libc::EINVAL, &knobs);
    assert!(field == "workload.block_size" && text.contains("max_hw_sectors_kb"), "{text}");
    assert!(refusal(-libc::EACCES, &knobs).1.contains("root"));
}

/// The data at an offset of the drive in the test below: each eight bytes contain their own offset.
fn expected(offset: u64, len: usize) -> Vec<u8> {
    (0..len as u64 / 8).flat_map(|word| (!(offset + 8 * word)).to_le_bytes()).collect()
}

/// The options that change how a command is made, submitted or awaited, each alone and some together.
fn ways() -> Vec<trial::Engine> {
    let plain =
        trial::Engine { queue: trial::QueueOptions::of_depth(32), ..trial::Engine::new(EngineKind::Nvme) };
    let registered = trial::Engine {
        ring: trial::RingOptions {
            fixed_files: true,
            fixed_buffers: true,
            registered_ring: true,
            no_sqarray: true,
            ..plain.ring
        },
        ..plain.clone()
    };
    let deferred = trial::Engine {
        ring: trial::RingOptions { single_issuer: true, defer_taskrun: true, ..registered.ring },
        ..registered.clone()
    };
    vec![
        trial::Engine {
            ring: trial::RingOptions { coop_taskrun: true, ..plain.ring },
            queue: trial::QueueOptions { submit_batch: Some(4), ..plain.queue },
            ..plain.clone()
        },
        trial::Engine {
            ring: trial::RingOptions {
                force_async: true,
                iowq_workers: Some(trial::IowqWorkers::default()),
                ..plain.ring
            },
            ..plain.clone()
        },
        trial::Engine {
            ring: trial::RingOptions { sqpoll: Some(Sqpoll::default()), ..registered.ring },
            ..registered.clone()
        },
        trial::Engine { ring: trial::RingOptions { iopoll: true, ..plain.ring }, ..plain.clone() },
        trial::Engine { ring: trial::RingOptions { iopoll: true, ..deferred.ring }, ..deferred.clone() },
        trial::Engine {
            ring: trial::RingOptions { iopoll: true, sqpoll: Some(Sqpoll::default()), ..registered.ring },
            ..registered
        },
        plain,
        deferred,
    ]
}

/// Reads and writes the drive that the environment names. Its contents are lost.
#[test]
#[ignore = "destroys the data on a drive: kernel/checks/nvme.sh runs it in a guest"]
fn reads_the_same_data_through_ring_and_block_layer() {
    use std::os::unix::fs::FileExt;
    const SPAN: u64 = 8 << 20;
    const LARGEST: usize = 64 << 10;
    let named = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} names no device"));
    let (block, generic) = (named("RINGBENCH_NVME_BLOCK"), named("RINGBENCH_NVME_GENERIC"));
    let open = |path: &str| std::fs::File::options().read(true).write(true).open(path).unwrap();
    let disk = open(&block);
    for (round, knobs) in (0u64..).zip(ways()) {
        disk.write_all_at(&expected(0, SPAN as usize), 0).unwrap();
        disk.sync_all().unwrap();
        let setup = RingSetup {
            opcode: Opcode::Transfer,
            depth: knobs.queue.depth,
            engine: &knobs,
            worker: 0,
            poller: None,
            attach: &Attach::default(),
        };
        let buffers = Buffers::new(knobs.queue.depth, LARGEST, 1).unwrap();
        let (mut ring, granted) = Ring::passthrough(&setup, open(&generic).into(), buffers).unwrap();
        assert!(granted.iter().all(Knob::is_on), "{knobs:?}: {granted:?}");
        let lba = ring.requests().namespace.lba();
        let mut run = |ops: &[Op]| {
            ring.queue((0u32..).zip(ops.iter().copied()));
            let mut results = vec![i32::MIN; ops.len()];
            while results.contains(&i32::MIN) {
                ring.commit(1).unwrap();
                ring.reap(|completion| results[completion.slot as usize] = completion.result);
            }
            // SAFETY: the blocks are a live mapping, and nothing is in flight.
            let data = |slot: usize, len: usize| unsafe {
                std::slice::from_raw_parts(ring.buffers().slot(slot as u32), len).to_vec()
            };
            let data = ops.iter().enumerate().map(|(slot, op)| data(slot, op.len as usize));
            (results, data.collect::<Vec<_>>())
        };
        // Sizes from one block to the largest, at scattered offsets.
        let reads: Vec<Op> = (0..32u64)
            .map(|index| {
                let len = (lba << (index % 8)).min(LARGEST as u64);
                let offset = (index * 7919 + round * 31) % (SPAN / lba - 128) * lba;
                Op::new(OpKind::Read, offset, len as u32)
            })
            .collect();
        let (results, data) = run(&reads);
        for ((op, result), data) in reads.iter().zip(results).zip(&data) {
            assert_eq!(result, op.len as i32, "{knobs:?}: {op:?}");
            assert!(*data == expected(op.offset, data.len()), "{knobs:?}: {op:?} has other bytes");
        }
        // Writes the present contents of the buffers to offsets that do not overlap, and nowhere else.
        let writes: Vec<Op> = (0u64..)
            .zip(&reads)
            .map(|(index, read)| Op::new(OpKind::Write, index * (SPAN / 32), read.len))
            .collect();
        let (results, written) = run(&writes);
        assert!(results.iter().zip(&writes).all(|(result, op)| *result == op.len as i32), "{results:?}");
        let mut wanted = expected(0, SPAN as usize);
        for (op, data) in writes.iter().zip(&written) {
            wanted[op.offset as usize..][..data.len()].copy_from_slice(data);
        }
        // The page cache does not see writes that bypass it.
        rustix::fs::fadvise(&disk, 0, std::num::NonZeroU64::new(SPAN), rustix::fs::Advice::DontNeed).unwrap();
        let mut found = vec![0; SPAN as usize];
        disk.read_exact_at(&mut found, 0).unwrap();
        assert!(found == wanted, "{knobs:?}: the drive has other bytes");
        // Past its end the drive itself refuses.
        let beyond = Op::new(OpKind::Read, ring.requests().namespace.blocks * lba, lba as u32);
        ring.queue(std::iter::once((0, beyond)));
        let mut result = None;
        while result.is_none() {
            ring.commit(1).unwrap();
            ring.reap(|completion| result = Some(completion.result));
        }
        assert_eq!(result, Some(-(NVME_STATUS + 0x80)), "{knobs:?}: block out of range");
    }
}
