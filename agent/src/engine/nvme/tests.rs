//! What can be told without a drive: how a request lies in the ring, what completions mean, that rings with large
//! entries work on this host, and what is said where there is no drive.

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

/// NOPs in entries of the size that commands have.
struct LargeNops;

impl Requests for LargeNops {
    type Sqe = squeue::Entry128;
    type Cqe = cqueue::Entry32;

    fn open(params: setup::Params, entries: u32) -> io::Result<IoUring<Self::Sqe, Self::Cqe>> {
        Commands::open(params, entries)
    }

    fn moves_data(&self) -> bool {
        false
    }

    fn entry(&self, place: &Place, slot: Slot, op: Op) -> Self::Sqe {
        let about = u64::from(op.len) << 32 | u64::from(slot);
        opcode::Nop::new().build().user_data(about).flags(place.flags).into()
    }

    fn completion(entry: &Self::Cqe) -> Completion {
        Commands::completion(entry)
    }
}

fn large_nops(knobs: &trial::Engine) -> Result<(Ring<LargeNops>, Vec<Knob>), Refusal> {
    let setup = RingSetup {
        opcode: Opcode::Transfer,
        depth: knobs.depth,
        engine: knobs,
        worker: 0,
        poller: None,
        attach: &Attach::default(),
    };
    Ring::with(LargeNops, &setup, file(), Buffers::new(knobs.depth, BLOCK, 1).unwrap())
}

/// Several rounds, so that both queues come round.
fn completes(ring: &mut Ring<LargeNops>, depth: u32) {
    for round in 0..5 {
        ring.queue(
            (0..depth).map(|slot| {
                (slot, Op { kind: OpKind::Read, offset: 0, len: 512 * (1 + round * depth + slot) })
            }),
        );
        let mut seen = Vec::new();
        while seen.len() < depth as usize {
            ring.commit(1).unwrap();
            ring.reap(|completion| seen.push((completion.slot, completion.result)));
        }
        seen.sort_unstable();
        let expected: Vec<_> =
            (0..depth).map(|slot| (slot, 512 * (1 + round * depth + slot) as i32)).collect();
        assert_eq!(seen, expected, "each comes back from its slot, with its own length");
    }
    assert_eq!(ring.counts().submitted, u64::from(5 * depth));
}

#[test]
fn large_entries_work_with_every_combination_of_knobs() {
    for bits in 0..256u32 {
        let [files, buffers, single, defer, coop, ring_fd, array, polled] =
            std::array::from_fn(|bit| bits & (1 << bit) != 0);
        let knobs = trial::Engine {
            depth: 4,
            fixed_files: files,
            fixed_buffers: buffers,
            single_issuer: single || defer,
            defer_taskrun: defer && !polled,
            coop_taskrun: coop && !polled,
            registered_ring: ring_fd,
            no_sqarray: array,
            sqpoll: polled.then(Sqpoll::default),
            fallback: Fallback::Allow,
            ..trial::Engine::new(EngineKind::Nvme)
        };
        // A thread has room for 16 registered rings in its life.
        let tried = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let (mut ring, granted) = large_nops(&knobs)?;
                assert!(granted.iter().all(|knob| knob.granted == "true"), "{knobs:?}: {granted:?}");
                completes(&mut ring, knobs.depth);
                Ok::<_, Refusal>(())
            });
            worker.join().unwrap()
        });
        match tried {
            Err(refusal) if refusal.code == "ring-refused" => return crate::skip::skip(&refusal.message),
            other => other.unwrap(),
        }
    }
}

#[test]
fn a_flag_that_large_rings_cannot_have_is_not_granted() {
    let mut knobs =
        trial::Engine { iopoll: true, hybrid_iopoll: true, ..trial::Engine::new(EngineKind::Nvme) };
    match large_nops(&knobs).map(|_| ()) {
        Err(refusal) if refusal.code == "ring-refused" => return crate::skip::skip(&refusal.message),
        other => assert_eq!(other.unwrap_err().field, "engine.hybrid_iopoll"),
    }
    knobs.fallback = Fallback::Allow;
    let (_, granted) = large_nops(&knobs).unwrap();
    let granted: Vec<_> = granted.iter().map(|knob| (knob.name.as_str(), knob.granted.as_str())).collect();
    assert_eq!(granted, [("iopoll", "true"), ("hybrid_iopoll", "false")]);
}

fn bytes(entry: squeue::Entry128) -> [u8; 128] {
    // SAFETY: an entry is 128 bytes of plain numbers.
    unsafe { std::mem::transmute(entry) }
}

#[test]
fn a_request_lies_as_the_kernel_reads_it() {
    let buffers = Buffers::new(4, BLOCK, 1).unwrap();
    let address = buffers.slot(3).addr() as u64;
    let mut place = Place {
        file: file(),
        fixed_file: false,
        slots_per_buffer: None,
        flags: squeue::Flags::empty(),
        buffers: ManuallyDrop::new(buffers),
    };
    let commands = Commands { namespace: namespace() };
    let op = Op { kind: OpKind::Write, offset: 10 * 512, len: 4096 };
    let written = bytes(commands.entry(&place, 3, op));
    // IORING_OP_URING_CMD; the number of the command where an offset would be.
    assert_eq!((written[0], written[1]), (46, 0));
    assert_eq!(written[4..8], place.fd().0.to_ne_bytes());
    assert_eq!(written[8..12], URING_CMD_IO.to_ne_bytes());
    assert_eq!(written[28..32], [0; 4], "no flags of the command");
    assert_eq!(written[32..40], (4096u64 << 32 | 3).to_ne_bytes());
    assert_eq!(written[48..], Command::transfer(op, 5, 9, address).area());

    (place.fixed_file, place.slots_per_buffer, place.flags) = (true, Some(2), squeue::Flags::ASYNC);
    let written = bytes(commands.entry(&place, 3, op));
    assert_eq!(written[1], squeue::Flags::ASYNC.bits() | 1, "a registered file");
    assert_eq!(written[4..8], [0; 4], "number 0");
    assert_eq!(written[28..32], 1u32.to_ne_bytes(), "IORING_URING_CMD_FIXED");
    assert_eq!(written[40..42], 1u16.to_ne_bytes(), "the second buffer has slots 2 and 3");
    // SAFETY: nothing uses the buffers any more.
    unsafe { ManuallyDrop::drop(&mut place.buffers) };
}

#[test]
fn a_status_is_an_error_and_no_count_of_bytes() {
    assert_eq!(result(0, 4096), 4096);
    assert_eq!(result(-libc::EINTR, 4096), -libc::EINTR);
    // "Unrecovered Read Error", with the bits that say not to try again, and that there is more in the log.
    assert_eq!(result(0x6281, 4096), -(NVME_STATUS + 0x281));
    assert!(-result(0x7FFF, 4096) < 4096, "within the table of the recorder");
}

#[test]
fn what_is_no_drive_is_refused_with_the_remedy() {
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
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("passthrough-refused", "engine.engine"));
    assert!(refusal.remedy.contains("NVMe"), "{refusal:?}");
}

#[test]
fn the_first_command_says_why_it_fails() {
    let knobs = trial::Engine::new(EngineKind::Nvme);
    let polled = trial::Engine { iopoll: true, ..knobs.clone() };
    let said = |result: i32, knobs: &trial::Engine| {
        let refusal = disproved(result, knobs, 4096);
        (refusal.field, format!("{} / {}", refusal.message, refusal.remedy))
    };
    let (field, text) = said(-(NVME_STATUS + 0x281), &knobs);
    assert!(field == "engine.engine" && text.contains("NVMe status 0x281"), "{text}");
    let (field, text) = said(-libc::EOPNOTSUPP, &polled);
    assert!(field == "engine.iopoll" && text.contains("6.1"), "{text}");
    let (field, text) = said(-libc::EOPNOTSUPP, &knobs);
    assert!(field == "engine.engine" && text.contains("5.19"), "{text}");
    let (field, text) = said(-libc::EINVAL, &knobs);
    assert!(field == "workload.block_size" && text.contains("max_hw_sectors_kb"), "{text}");
    assert!(said(-libc::EACCES, &knobs).1.contains("root"));
}
