//! The engine `nvme`: read and write commands sent to the drive through a ring, bypassing the block layer
//! (`IORING_OP_URING_CMD` on the namespace's generic character device).

mod command;
mod namespace;
#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use proto::{
    notice::OsError,
    outcome::{Knob, NVME_STATUS},
    refusal::{EngineRefusal, KnobFailure, PassthroughFailure, Refusal},
    trial::Engine as Knobs,
};

use self::command::{Command, URING_CMD_IO};
pub use self::namespace::Namespace;
use super::{
    Completion, Engine, Ring, RingSetup, Slot,
    ring::{RequestContext, Requests, setup},
};
use crate::{
    buffers::Buffers,
    workload::{Op, OpKind},
};

/// The part of an NVMe status that identifies the error: its type and its code. The other bits say whether to retry.
const STATUS: i32 = 0x7FF;

/// Commands to a namespace, in entries of the large size.
pub struct Commands {
    namespace: Namespace,
}

impl Requests for Commands {
    type Sqe = squeue::Entry128;
    type Cqe = cqueue::Entry32;

    fn open(params: &mut setup::Params, entries: u32) -> io::Result<IoUring<Self::Sqe, Self::Cqe>> {
        setup::open_large(params, entries)
    }

    fn moves_data(&self) -> bool {
        true
    }

    #[inline]
    fn entry(&mut self, context: &RequestContext, slot: Slot, op: Op) -> Self::Sqe {
        let Namespace { id, lba_shift, .. } = self.namespace;
        let address = context.buffers.of(slot, op).addr() as u64;
        let area = Command::transfer(op, id, lba_shift, address).area();
        let buffer = context.buffer(slot);
        // The opcode is generic over the kind of descriptor by a trait that cannot be named.
        let entry = if context.fixed_file {
            opcode::UringCmd80::new(types::Fixed(context.file(slot)), URING_CMD_IO)
                .cmd(area)
                .buf_index(buffer)
                .build()
        } else {
            opcode::UringCmd80::new(context.fd(slot), URING_CMD_IO).cmd(area).buf_index(buffer).build()
        };
        // A completion does not report the number of bytes moved: it is all or nothing. So the request's user data
        // contains its length.
        entry.user_data(u64::from(op.len) << 32 | u64::from(slot)).flags(context.flags)
    }

    #[inline]
    fn completion(entry: &Self::Cqe) -> Completion {
        let about = entry.user_data();
        Completion { slot: about as Slot, result: result(entry.result(), (about >> 32) as i32) }
    }
}

/// The result that a completion represents: all of `len` bytes, a negated errno, or a negated NVMe status above the
/// errnos.
#[inline]
fn result(result: i32, len: i32) -> i32 {
    match result {
        0 => len,
        1.. => -(NVME_STATUS + (result & STATUS)),
        errno => errno,
    }
}

impl Ring<Commands> {
    /// Builds the ring, on the thread that is going to use it, for commands to the namespace behind the generic
    /// character device `file`, and tests it with one command. Returns requested and granted options.
    ///
    /// # Errors
    /// As [`Ring::new`], and when the command fails.
    pub fn passthrough(
        setup: &RingSetup<'_>,
        file: OwnedFd,
        buffers: Buffers,
    ) -> Result<(Self, Vec<Knob>), Refusal> {
        let namespace = Namespace::of(file.as_fd())
            .map_err(|error| refused(PassthroughFailure::NotAnNvmeNamespace(error.into())))?;
        let block = buffers.block() as u32;
        let (mut ring, mut knobs) = Self::with(Commands { namespace }, setup, vec![file], buffers)?;
        if !ring.knows(opcode::UringCmd80::CODE) {
            return Err(refused(PassthroughFailure::NoUringCmd));
        }
        let mut outcome = ring.test_command(block);
        if outcome == -libc::EINVAL && ring.context.buffer(0).is_some() {
            ring.unregister_buffers();
            outcome = ring.test_command(block);
            if outcome == block as i32 {
                knobs.retain(|knob| knob.name != "fixed_buffers");
                let refused = io::Error::from_raw_os_error(libc::EINVAL);
                setup::granted::<()>("fixed_buffers", Err(refused), setup.engine, &mut knobs)?;
            }
        }
        if outcome == block as i32 {
            Ok((ring, knobs))
        } else {
            Err(test_failed(outcome, setup.engine, block))
        }
    }

    /// Reads the drive's first block by a command that is built like all others, and returns its result. The setup of a
    /// ring does not show whether the driver accepts commands or registered buffers, or polls for them.
    fn test_command(&mut self, block: u32) -> i32 {
        self.queue(std::iter::once((0, Op::new(OpKind::Read, 0, block))));
        loop {
            let mut outcome = self.commit(1).err().map(|error| -error.raw_os_error().unwrap_or(libc::EIO));
            self.reap(|completion| outcome = Some(completion.result));
            if let Some(result) = outcome {
                return result;
            }
        }
    }
}

fn refused(failure: PassthroughFailure) -> Refusal {
    EngineRefusal::Passthrough { failure }.into()
}

/// The refusal for a failed first command.
fn test_failed(result: i32, knobs: &Knobs, block: u32) -> Refusal {
    if let status @ 0.. = -result - NVME_STATUS {
        return refused(PassthroughFailure::Status { block, status });
    }
    let error = OsError::from_errno(-result);
    refused(match -result {
        libc::EOPNOTSUPP if knobs.ring.iopoll => {
            let failure = KnobFailure::PassthroughPolling { block, error };
            return EngineRefusal::Knob { knob: "iopoll".to_owned(), failure }.into();
        }
        libc::EOPNOTSUPP | libc::ENOTTY => PassthroughFailure::NotSupported { block, error },
        libc::EINVAL => PassthroughFailure::Invalid { block, error },
        libc::EACCES | libc::EPERM => PassthroughFailure::NotPermitted { block, error },
        _ => PassthroughFailure::Failed { block, error },
    })
}
