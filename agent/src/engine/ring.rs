//! io_uring: the ring, its knobs, and what of them the kernel granted.

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, OwnedFd},
};

use io_uring::{IoUring, opcode, squeue, types};
use proto::{
    outcome::{Knob, Refusal},
    trial::{self, Fallback},
};

use super::{Completion, Counts, Engine, Slot};
use crate::{buffers::Buffers, workload::Op};

/// The largest buffer that can be registered as one (the kernel's limit is 1 GiB).
const LARGEST_REGISTERED: usize = 1 << 30;

/// What the ring's requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Nothing.
    Nop,
    /// Read or write a block.
    Transfer,
}

/// A ring that is asked for.
#[derive(Clone, Debug)]
pub struct RingSetup<'a> {
    /// What its requests do.
    pub opcode: Opcode,
    /// Requests in flight, at most.
    pub depth: u32,
    /// The knobs.
    pub engine: &'a trial::Engine,
}

/// The engine `io_uring`, and `nop`.
pub struct Ring {
    ring: IoUring,
    opcode: Opcode,
    file: types::Fd,
    fixed_file: bool,
    /// Slots in one registered buffer, where buffers are registered.
    slots_per_buffer: Option<u32>,
    visible: u32,
    enters: u64,
    submitted: u64,
    reaped: u64,
    buffers: ManuallyDrop<Buffers>,
    _file: OwnedFd,
}

impl Drop for Ring {
    fn drop(&mut self) {
        // With requests in flight the kernel may yet write to the buffers: then their memory is never given
        // back. It comes to that only where the ring itself failed.
        if self.submitted == self.reaped {
            // SAFETY: the field is used nowhere after this, and nothing in the kernel refers to it.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        }
    }
}

/// The setup flags that a trial can ask for: the knob's name, whether it is asked for, how to set it, and the
/// kernel that first had it.
type Flag = (&'static str, fn(&trial::Engine) -> bool, fn(&mut io_uring::Builder), &'static str);

const FLAGS: [Flag; 3] = [
    ("coop_taskrun", |engine| engine.coop_taskrun, |ring| _ = ring.setup_coop_taskrun(), "5.19"),
    ("single_issuer", |engine| engine.single_issuer, |ring| _ = ring.setup_single_issuer(), "6.0"),
    ("defer_taskrun", |engine| engine.defer_taskrun, |ring| _ = ring.setup_defer_taskrun(), "6.1"),
];

impl Ring {
    #[cfg(test)]
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Builds the ring, on the thread that is going to use it, and registers what is to be registered. Says of
    /// each knob what was granted.
    ///
    /// # Errors
    /// A refusal that names the knob and what would grant it; a knob is dropped only under
    /// `fallback: allow`.
    pub fn new(setup: &RingSetup<'_>, file: OwnedFd, buffers: Buffers) -> Result<(Self, Vec<Knob>), Refusal> {
        let engine = setup.engine;
        let allow = engine.fallback == Fallback::Allow;
        let (ring, dropped) = build(setup, allow)?;
        let mut knobs: Vec<Knob> = FLAGS
            .iter()
            .filter(|(_, asked, ..)| asked(engine))
            .map(|(name, ..)| knob(name, !dropped.contains(name)))
            .collect();

        let mut fixed_file = engine.fixed_files && setup.opcode == Opcode::Transfer;
        if fixed_file {
            let registered = ring.submitter().register_files(&[file.as_raw_fd()]);
            fixed_file = granted("fixed_files", registered, allow, &mut knobs)?;
        }
        let mut slots_per_buffer = None;
        if engine.fixed_buffers && setup.opcode == Opcode::Transfer {
            let per_buffer = (LARGEST_REGISTERED / buffers.block()).min(setup.depth as usize) as u32;
            let iovecs: Vec<libc::iovec> = (0..setup.depth)
                .step_by(per_buffer as usize)
                .map(|first| libc::iovec {
                    iov_base: buffers.slot(first).cast(),
                    iov_len: per_buffer.min(setup.depth - first) as usize * buffers.block(),
                })
                .collect();
            // SAFETY: the iovecs lie within `buffers`, which the ring owns and outlives.
            let registered = unsafe { ring.submitter().register_buffers(&iovecs) };
            if granted("fixed_buffers", registered, allow, &mut knobs)? {
                slots_per_buffer = Some(per_buffer);
            }
        }
        let fd = types::Fd(file.as_raw_fd());
        let ring = Self {
            ring,
            opcode: setup.opcode,
            file: fd,
            fixed_file,
            slots_per_buffer,
            visible: 0,
            enters: 0,
            submitted: 0,
            reaped: 0,
            buffers: ManuallyDrop::new(buffers),
            _file: file,
        };
        Ok((ring, knobs))
    }

    #[inline]
    fn entry(&self, slot: Slot, op: Op) -> squeue::Entry {
        if self.opcode == Opcode::Nop {
            return opcode::Nop::new().build().user_data(u64::from(slot));
        }
        let (address, len) = (self.buffers.slot(slot), self.buffers.block() as u32);
        // The opcodes are generic over the kind of descriptor: the macro spells the two kinds out.
        macro_rules! transfer {
            ($file:expr) => {
                match (self.slots_per_buffer, op.write) {
                    (None, false) => opcode::Read::new($file, address, len).offset(op.offset).build(),
                    (None, true) => opcode::Write::new($file, address, len).offset(op.offset).build(),
                    (Some(per), false) => opcode::ReadFixed::new($file, address, len, (slot / per) as u16)
                        .offset(op.offset)
                        .build(),
                    (Some(per), true) => opcode::WriteFixed::new($file, address, len, (slot / per) as u16)
                        .offset(op.offset)
                        .build(),
                }
            };
        }
        let entry = if self.fixed_file { transfer!(types::Fixed(0)) } else { transfer!(self.file) };
        entry.user_data(u64::from(slot))
    }
}

impl Engine for Ring {
    fn whole(&self) -> i32 {
        match self.opcode {
            Opcode::Nop => 0,
            Opcode::Transfer => self.buffers.block() as i32,
        }
    }

    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        // SAFETY: `&mut self` makes this the only view of the submission queue while it lives.
        let mut queue = unsafe { self.ring.submission_shared() };
        for (slot, op) in requests {
            let entry = self.entry(slot, op);
            // SAFETY: the entry's block belongs to this slot alone until its completion is reaped, and file
            // and buffers live as long as the ring.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "there are as many entries as slots");
        }
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        loop {
            self.enters += 1;
            match self.ring.submit_and_wait(wait as usize) {
                Ok(taken) => self.submitted += taken as u64,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
                Err(error) => {
                    self.visible = self.ring.completion().len() as u32;
                    return Err(error);
                }
            }
            self.visible = self.ring.completion().len() as u32;
            return Ok(self.visible);
        }
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.visible) as usize;
        self.reaped += visible as u64;
        for entry in self.ring.completion().take(visible) {
            each(Completion { slot: entry.user_data() as Slot, result: entry.result() });
        }
    }

    fn counts(&self) -> Counts {
        Counts { syscalls: [("io_uring_enter", self.enters), ("", 0)], submitted: self.submitted }
    }
}

/// Sets the ring up; where the kernel refuses the flags, finds out which of them, and goes on without it if
/// that is allowed.
fn build(setup: &RingSetup<'_>, allow: bool) -> Result<(IoUring, Vec<&'static str>), Refusal> {
    let asked: Vec<&Flag> = FLAGS.iter().filter(|(_, asked, ..)| asked(setup.engine)).collect();
    let attempt = |flags: &[&Flag]| {
        let mut builder = IoUring::builder();
        flags.iter().for_each(|(_, _, set, _)| set(&mut builder));
        builder.build(setup.depth)
    };
    let error = match attempt(&asked) {
        Ok(ring) => return Ok((ring, Vec::new())),
        Err(error) => error,
    };
    if error.raw_os_error() != Some(libc::EINVAL) || asked.is_empty() {
        return Err(setup_refusal(&error, setup.depth));
    }
    // Flags build on one another, so each is tried on top of those that were granted before it.
    let mut kept: Vec<&Flag> = Vec::new();
    let mut dropped = Vec::new();
    for flag in asked {
        kept.push(flag);
        if attempt(&kept).is_err() {
            kept.pop();
            dropped.push(flag);
        }
    }
    if let (Some((name, .., since)), false) = (dropped.first(), allow) {
        return Err(Refusal::new(
            "knob-refused",
            format!("this kernel does not grant {name} ({error})"),
            format!(
                "it needs Linux {since}; drop the knob, or allow running without it by `fallback: allow`"
            ),
        )
        .at(format!("engine.{name}")));
    }
    let ring = attempt(&kept).map_err(|error| setup_refusal(&error, setup.depth))?;
    Ok((ring, dropped.into_iter().map(|(name, ..)| *name).collect()))
}

/// Why there is no ring at all, and what would give one.
pub(crate) fn setup_refusal(error: &io::Error, depth: u32) -> Refusal {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let remedy = match (error.raw_os_error(), disabled.trim()) {
        (Some(libc::ENOSYS), _) => {
            "this kernel has no io_uring: it needs Linux 5.1 with CONFIG_IO_URING".into()
        }
        (Some(libc::EPERM), "2") => "io_uring is switched off: `sysctl kernel.io_uring_disabled=0`".into(),
        (Some(libc::EPERM), "1") => {
            "io_uring is for privileged processes here: run the agent as root, put it \
             into the group of kernel.io_uring_group, or `sysctl kernel.io_uring_disabled=0`"
                .into()
        }
        (Some(libc::EPERM), _) => "a seccomp filter forbids it, as containers do by default: run the agent \
             outside, or with a profile that allows io_uring_setup, io_uring_enter and io_uring_register"
            .into(),
        (Some(libc::ENOMEM), _) => {
            "raise the locked-memory limit (`ulimit -l`, LimitMEMLOCK=) or lower the depth".into()
        }
        (Some(libc::EMFILE), _) => "raise the open-file limit (`ulimit -n`, LimitNOFILE=)".into(),
        _ => format!("try a lower depth than {depth}; `agent probe` shows what this host grants"),
    };
    let code = if error.raw_os_error() == Some(libc::EMFILE) { "open-files" } else { "ring-refused" };
    Refusal::new(code, format!("io_uring_setup: {error}"), remedy).at("engine.engine")
}

/// Notes whether a registration was granted; refuses the trial where it was not and has to be.
fn granted(
    name: &'static str,
    outcome: io::Result<()>,
    allow: bool,
    knobs: &mut Vec<Knob>,
) -> Result<bool, Refusal> {
    knobs.push(knob(name, outcome.is_ok()));
    match outcome {
        Ok(()) => Ok(true),
        Err(_) if allow => Ok(false),
        Err(error) => {
            let remedy = match error.raw_os_error() {
                Some(libc::ENOMEM) => {
                    "raise the locked-memory limit (`ulimit -l unlimited`, LimitMEMLOCK=infinity), give the \
                     agent CAP_IPC_LOCK, or lower depth or block size"
                }
                _ => "drop the knob, or allow running without it by `fallback: allow`",
            };
            Err(Refusal::new("knob-refused", format!("{name} was not granted: {error}"), remedy)
                .at(format!("engine.{name}")))
        }
    }
}

fn knob(name: &str, granted: bool) -> Knob {
    Knob { name: name.into(), requested: "true".into(), granted: granted.to_string() }
}
