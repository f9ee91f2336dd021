//! Setup of a ring: the flags that a trial requests, those that the kernel grants, and the reason for a refusal.
//!
//! Rings are set up by a direct system call, because the io-uring crate does not support every flag.

use std::{
    io,
    os::fd::RawFd,
    sync::{Condvar, Mutex, PoisonError},
};

use io_uring::{IoUring, cqueue, squeue};
use proto::{
    engine::{EngineOption, Grant},
    knob::{Knob, URGENT},
    notice::OsError,
    refusal::{EngineRefusal, KnobFailure, Refusal, RingFailure},
    trial::{Engine, Fallback, UrgentBy},
};

use super::{Requests, RingSetup, abi::*, diagnosis::setup_refusal};

/// A requested flag of io_uring_setup.
#[derive(Clone, Copy, PartialEq)]
struct Flag {
    /// The option.
    name: &'static str,
    bit: u32,
}

/// The flags that an engine requests, each after the flags that it requires.
fn requested(engine: &Engine) -> Vec<Flag> {
    let flag = |option: &'static EngineOption| match option.grant {
        Grant::Setup(bit) => Some(Flag { name: option.name, bit }),
        _ => None,
    };
    let urgent = engine.urgent_by() == Some(UrgentBy::IosqeUrgent);
    let urgent = urgent.then_some(Flag { name: URGENT, bit: SETUP_URGENT });
    engine.set_options().filter_map(flag).chain(urgent).collect()
}

/// `struct io_uring_params`, with the offsets, which only the io-uring crate reads, as opaque words.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    offsets: [u64; 10],
}

const _: () = assert!(size_of::<Params>() == size_of::<io_uring::Parameters>());

/// Gives the other workers access to the first worker's ring, whose polling thread their rings share.
#[derive(Default)]
pub struct Attach {
    first: Mutex<Option<Option<RawFd>>>,
    known: Condvar,
}

impl Attach {
    /// Publishes the first ring, or that there is none.
    pub fn announce(&self, ring: Option<RawFd>) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ring);
        self.known.notify_all();
    }

    /// Waits for the first ring; `None` if it could not be built.
    fn wait(&self) -> Option<RawFd> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *first {
                Some(ring) => return ring,
                None => first = self.known.wait(first).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A ring for requests of one kind, as the kernel granted it.
pub(super) struct Built<R: Requests> {
    pub(super) ring: IoUring<R::Sqe, R::Cqe>,
    /// The requested flags, except the urgent one.
    pub(super) knobs: Vec<Knob>,
    /// Whether the ring takes urgent requests.
    pub(super) urgent: bool,
}

/// Sets up the ring. If the kernel refuses its flags, determines which ones, and continues without them if the trial
/// allows it.
pub(super) fn build<R: Requests>(setup: &RingSetup<'_>) -> Result<Built<R>, Refusal> {
    let RingSetup { engine, worker, attach, .. } = *setup;
    let shares = engine.ring.sqpoll.is_some_and(|sqpoll| sqpoll.shared);
    let wq_fd = match (shares, worker) {
        (false, _) | (true, 0) => None,
        (true, _) => Some(attach.wait().ok_or(EngineRefusal::Ring { failure: RingFailure::NoFirstRing })?),
    };
    let built = negotiate::<R>(setup, wq_fd);
    if shares && worker == 0 {
        use std::os::fd::AsRawFd as _;
        attach.announce(built.as_ref().ok().map(|built| built.ring.as_raw_fd()));
    }
    built
}

fn negotiate<R: Requests>(setup: &RingSetup<'_>, wq_fd: Option<RawFd>) -> Result<Built<R>, Refusal> {
    let RingSetup { engine, depth, .. } = *setup;
    let requested = requested(engine);
    // Room for every slot, even if a commit leaves requests queued. A polling thread moves the head of the submission
    // queue after completions become visible, so a completed batch may still take up room beside the next one.
    let entries = if engine.ring.sqpoll.is_some() { 2 * depth } else { depth };
    let attempt = |flags: &[Flag]| {
        let bits = flags.iter().fold(0, |bits, flag| bits | flag.bit);
        let mut params = params(setup, bits, entries, wq_fd);
        let ring = R::open(&mut params, entries)?;
        // A kernel with only the first patches accepts the flag but ignores it, so it counts as unsupported.
        if bits & SETUP_URGENT != 0 && params.features & FEAT_URGENT == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(ring)
    };
    let built = |ring, granted: &[Flag]| {
        let switches = requested.iter().filter(|flag| flag.name != URGENT);
        Built {
            ring,
            knobs: switches.map(|flag| Knob::switch(flag.name, granted.contains(flag))).collect(),
            urgent: granted.iter().any(|flag| flag.name == URGENT),
        }
    };
    let error = match attempt(&requested) {
        Ok(ring) => return Ok(built(ring, &requested)),
        Err(error) => error,
    };
    // EINVAL: an unknown flag. EPERM with SQPOLL: it needed privileges before 5.11.
    let by_flag = matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM | libc::EOPNOTSUPP));
    if !by_flag || requested.is_empty() || attempt(&[]).is_err() {
        return Err(setup_refusal(&error, depth, is_large::<R>()));
    }
    // Flags depend on each other, so each is tried together with those already granted.
    let mut granted: Vec<Flag> = Vec::new();
    for flag in &requested {
        granted.push(*flag);
        if attempt(&granted).is_err() {
            granted.pop();
        }
    }
    let refused = requested.iter().find(|flag| !granted.contains(flag));
    if let (Some(flag), Fallback::Refuse) = (refused, engine.fallback) {
        let poller = setup.poller.filter(|_| flag.bit == SETUP_SQPOLL);
        let failure = KnobFailure::Flag { error: error.into(), since: since(flag.name), poller };
        return Err(EngineRefusal::Knob { knob: flag.name.to_owned(), failure }.into());
    }
    let ring = attempt(&granted).map_err(|error| setup_refusal(&error, depth, is_large::<R>()))?;
    Ok(built(ring, &granted))
}

/// The first Linux release with an option; `None` if every kernel with io_uring has it, or only a patched one.
fn since(name: &str) -> Option<String> {
    EngineOption::named(name)?.since.map(str::to_owned)
}

fn params(setup: &RingSetup<'_>, bits: u32, entries: u32, wq_fd: Option<RawFd>) -> Params {
    // Room for every request in flight, so that no completion overflows. The kernel does not accept a completion queue
    // shorter than the submission queue.
    let (flags, cq_entries) = (bits | SETUP_CQSIZE, entries.next_power_of_two());
    let mut params = Params { flags, cq_entries, ..Params::default() };
    // With these flags, deferred completions are announced by a flag in memory, which is cheap to check.
    if bits & (SETUP_COOP_TASKRUN | SETUP_DEFER_TASKRUN) != 0 {
        params.flags |= SETUP_TASKRUN_FLAG;
    }
    if let (Some(sqpoll), true) = (setup.engine.ring.sqpoll, bits & SETUP_SQPOLL != 0) {
        params.sq_thread_idle = u32::try_from(sqpoll.idle.0 / 1_000_000).unwrap_or(u32::MAX);
        if let Some(cpu) = setup.poller {
            params.flags |= SETUP_SQ_AFF;
            params.sq_thread_cpu = cpu;
        }
        if let Some(fd) = wq_fd {
            params.flags |= SETUP_ATTACH_WQ;
            params.wq_fd = fd.cast_unsigned();
        }
    }
    params
}

/// Opens a ring with entries of the usual sizes.
pub(super) fn open(params: &mut Params, depth: u32) -> io::Result<IoUring> {
    // SAFETY: the call reads and fills one `io_uring_params`, which `params` is laid out as.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, depth, &raw mut *params) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `Parameters` is a transparent wrapper of `io_uring_params`; both are plain numbers of one size.
    let params = unsafe { std::mem::transmute::<Params, io_uring::Parameters>(*params) };
    // SAFETY: the descriptor is a ring with no other owner, and the kernel filled in these parameters for it.
    unsafe { IoUring::from_fd(fd as RawFd, params) }
}

/// Opens a ring with these flags, as a test, and returns it with the features that the kernel reports.
pub(crate) fn open_flagged(flags: u32, entries: u32) -> io::Result<(IoUring, u32)> {
    // The idle time is ignored without SQPOLL.
    let mut params = Params { flags, sq_thread_idle: 10, ..Params::default() };
    let ring = open(&mut params, entries)?;
    Ok((ring, params.features))
}

/// Opens a ring with large entries: 128 bytes in the submission queue, and 32 in the completion queue.
pub(in super::super) fn open_large(
    params: &Params,
    depth: u32,
) -> io::Result<IoUring<squeue::Entry128, cqueue::Entry32>> {
    type Setter = fn(&mut io_uring::Builder<squeue::Entry128, cqueue::Entry32>, &Params);
    // The crate accepts an existing descriptor only for small entries. Flags that its builder does not support are not
    // granted.
    const SETTERS: [(u32, Setter); 10] = [
        (SETUP_CQSIZE, |ring, params| _ = ring.setup_cqsize(params.cq_entries)),
        (SETUP_IOPOLL, |ring, _| _ = ring.setup_iopoll()),
        (SETUP_SQPOLL, |ring, params| _ = ring.setup_sqpoll(params.sq_thread_idle)),
        (SETUP_SQ_AFF, |ring, params| _ = ring.setup_sqpoll_cpu(params.sq_thread_cpu)),
        (SETUP_ATTACH_WQ, |ring, params| _ = ring.setup_attach_wq(params.wq_fd.cast_signed())),
        (SETUP_COOP_TASKRUN, |ring, _| _ = ring.setup_coop_taskrun()),
        (SETUP_TASKRUN_FLAG, |ring, _| _ = ring.setup_taskrun_flag()),
        (SETUP_SINGLE_ISSUER, |ring, _| _ = ring.setup_single_issuer()),
        (SETUP_DEFER_TASKRUN, |ring, _| _ = ring.setup_defer_taskrun()),
        (SETUP_NO_SQARRAY, |ring, _| _ = ring.setup_no_sqarray()),
    ];
    let mut builder = IoUring::builder();
    let mut unknown = params.flags;
    for (bit, set) in SETTERS {
        if params.flags & bit != 0 {
            set(&mut builder, params);
            unknown &= !bit;
        }
    }
    if unknown != 0 {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    builder.build(depth)
}

/// Registers the ring with the calling thread; returns its index for `io_uring_enter`.
pub(super) fn register_ring(ring: RawFd) -> io::Result<RawFd> {
    /// `struct io_uring_rsrc_update`.
    #[repr(C)]
    struct Update {
        offset: u32,
        resv: u32,
        data: u64,
    }
    let mut update = Update { offset: u32::MAX, resv: 0, data: u64::from(ring.cast_unsigned()) };
    // SAFETY: the call reads and fills one `io_uring_rsrc_update`, which `update` is laid out as.
    let done =
        unsafe { libc::syscall(libc::SYS_io_uring_register, ring, REGISTER_RING_FDS, &raw mut update, 1u32) };
    if done == 1 { Ok(update.offset.cast_signed()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the requests need entries larger than usual.
fn is_large<R: Requests>() -> bool {
    size_of::<R::Sqe>() > size_of::<squeue::Entry>()
}

/// Records whether a registration was granted. Refuses the trial if it was not, unless the trial allows a fallback.
pub(in super::super) fn granted<T>(
    name: &'static str,
    outcome: io::Result<T>,
    engine: &Engine,
    knobs: &mut Vec<Knob>,
) -> Result<Option<T>, Refusal> {
    knobs.push(Knob::switch(name, outcome.is_ok()));
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(_) if engine.fallback == Fallback::Allow => Ok(None),
        Err(error) => {
            let (errno, error) = (error.raw_os_error(), OsError::from(error));
            let failure = match errno {
                Some(libc::ENOMEM) => KnobFailure::LockedMemory(error),
                Some(libc::EMFILE) => KnobFailure::OpenFiles(error),
                Some(libc::EINVAL) => KnobFailure::Registration { error, since: since(name) },
                _ => KnobFailure::Registration { error, since: None },
            };
            Err(EngineRefusal::Knob { knob: name.to_owned(), failure }.into())
        }
    }
}

#[cfg(test)]
mod tests;
