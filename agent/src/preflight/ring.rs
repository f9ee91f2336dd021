//! Tests of the io_uring features: each is set up and, where that proves something, used by a request.

use std::{fs, io, os::fd::AsRawFd};

use io_uring::{Builder, IoUring, Probe, cqueue, opcode, squeue};
use proto::{
    engine::{EngineOption, OPTIONS},
    outcome::Capability,
    units::ByteSize,
};
use rustix::param::page_size;

use super::{
    capability,
    limits::{memlock_limit, memlock_remedy},
};
use crate::{
    counters::batches::Batches,
    engine::ring::{abi, diagnosis, setup},
};

/// Enough for all tests.
const ENTRIES: u32 = 4;
/// Sizes of registered buffers that are tested after a single page, in bytes.
const BUFFER_SIZES: [usize; 2] = [1 << 20, 16 << 20];

/// Detail for a ring that polls a device.
const OPENS: &str = "the ring opens; whether a device polls depends on its io_poll and poll queues";

type Tried = Result<String, (String, String)>;

/// The requests that engines make: name, opcode and first kernel version.
const OPCODES: [(&str, u8, &str); 6] = [
    ("io_uring.op.nop", opcode::Nop::CODE, "5.1"),
    ("io_uring.op.read", opcode::Read::CODE, "5.6"),
    ("io_uring.op.write", opcode::Write::CODE, "5.6"),
    ("io_uring.op.read_fixed", opcode::ReadFixed::CODE, "5.1"),
    ("io_uring.op.write_fixed", opcode::WriteFixed::CODE, "5.1"),
    ("io_uring.op.uring_cmd", opcode::UringCmd16::CODE, "5.19"),
];

/// Runs all tests on the calling thread.
pub(super) fn capabilities() -> Vec<Capability> {
    let mut all = Vec::new();
    let ring = match plain_ring() {
        Ok((ring, detail)) => {
            all.push(capability("io_uring", Ok(detail)));
            Some(ring)
        }
        Err(why) => {
            all.push(capability("io_uring", Err(why)));
            None
        }
    };
    let on_ring = |tried: &dyn Fn(&IoUring) -> Tried| match &ring {
        Some(ring) => tried(ring),
        None => Err(no_ring()),
    };
    let flagged = |polls: bool| {
        let options = OPTIONS.iter().filter(move |option| option.polls == polls);
        let flags = options.filter_map(|option| Some((option, option.setup_flags()?)));
        flags.map(|(option, flags)| {
            let tried = on_ring(&|_| try_flags(option, flags));
            capability(&format!("io_uring.{}", option.name), tried)
        })
    };
    all.extend(flagged(false));
    // NVMe passthrough needs both.
    let sqe128 = on_ring(&|_| opened("5.19", &IoUring::<squeue::Entry128, cqueue::Entry>::builder()));
    let cqe32 = on_ring(&|_| opened("5.19", &IoUring::<squeue::Entry, cqueue::Entry32>::builder()));
    all.push(capability("io_uring.sqe128", sqe128));
    all.push(capability("io_uring.cqe32", cqe32));
    all.extend(flagged(true));
    all.push(capability("io_uring.urgent", on_ring(&|_| urgent())));
    all.push(capability("io_uring.batch_counters", on_ring(&batch_counters)));
    all.push(capability("io_uring.registered_ring_fd", on_ring(&registered_ring_fd)));
    all.push(capability("io_uring.fixed_files", on_ring(&fixed_files)));
    all.push(capability("io_uring.fixed_buffers", on_ring(&fixed_buffers)));
    let mut probe = Probe::new();
    let probed = ring.as_ref().is_some_and(|ring| ring.submitter().register_probe(&mut probe).is_ok());
    for (name, code, since) in OPCODES {
        let tried = match (&ring, probed) {
            (None, _) => Err(no_ring()),
            (Some(_), false) => Err(("the kernel does not support probes".to_owned(), newer("5.6"))),
            (Some(_), true) if probe.is_supported(code) => Ok("supported (probe)".to_owned()),
            (Some(_), true) => Err(("not supported (probe)".to_owned(), newer(since))),
        };
        all.push(capability(name, tried));
    }
    all
}

fn plain_ring() -> Result<(IoUring, String), (String, String)> {
    let mut ring = IoUring::new(ENTRIES).map_err(|error| {
        let refusal = diagnosis::setup_refusal(&error, ENTRIES, false);
        (refusal.message(), refusal.remedy())
    })?;
    nop(&mut ring).map_err(|error| (format!("a ring opens, but a NOP fails: {error}"), newer("5.6")))?;
    Ok((ring, "a ring opens and completes a NOP".to_owned()))
}

fn no_ring() -> (String, String) {
    ("not tested: no ring opens".to_owned(), "see io_uring first".to_owned())
}

fn newer(since: &str) -> String {
    format!("Linux {since} or newer")
}

/// Submits a NOP and waits for it.
fn nop<S: squeue::EntryMarker, C: cqueue::EntryMarker>(ring: &mut IoUring<S, C>) -> io::Result<()> {
    carry(ring, opcode::Nop::new().build().into())
}

/// Submits a NOP entry and waits for it.
fn carry<S: squeue::EntryMarker, C: cqueue::EntryMarker>(
    ring: &mut IoUring<S, C>,
    entry: S,
) -> io::Result<()> {
    // SAFETY: a NOP refers to no memory.
    let pushed = unsafe { ring.submission().push(&entry) };
    pushed.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let done: Option<cqueue::Entry> = ring.completion().next().map(Into::into);
    match done {
        Some(done) if done.result() < 0 => Err(io::Error::from_raw_os_error(-done.result())),
        Some(_) => Ok(()),
        None => Err(io::Error::other("the request did not complete")),
    }
}

/// Sets up a ring with the flags of an option, and submits a request unless the ring polls, which would need a device.
fn try_flags(option: &EngineOption, flags: u32) -> Tried {
    let since = option.since.unwrap_or("5.1");
    let (mut ring, _) = setup::open_flagged(flags, ENTRIES).map_err(|error| refused(since, &error))?;
    if option.polls {
        return Ok(OPENS.to_owned());
    }
    carries_nop(since, &mut ring)
}

fn opened<S: squeue::EntryMarker, C: cqueue::EntryMarker>(since: &str, builder: &Builder<S, C>) -> Tried {
    let mut ring = builder.build(ENTRIES).map_err(|error| refused(since, &error))?;
    carries_nop(since, &mut ring)
}

fn carries_nop<S: squeue::EntryMarker, C: cqueue::EntryMarker>(
    since: &str,
    ring: &mut IoUring<S, C>,
) -> Tried {
    nop(ring).map_err(|error| (format!("the ring opens, but a NOP fails: {error}"), newer(since)))?;
    Ok("the ring opens and completes a NOP".to_owned())
}

/// The detail and the remedy if io_uring_setup refuses flags.
fn refused(since: &str, error: &io::Error) -> (String, String) {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM) => "grant CAP_SYS_NICE, or use a newer kernel".to_owned(),
        Some(libc::ENOMEM) => memlock_remedy(),
        _ => newer(since),
    };
    (format!("setup fails: {error}"), remedy)
}

/// Tests urgent requests: the setup flag, the feature flag, and one request.
fn urgent() -> Tried {
    let needs = || abi::NEEDS_PATCH.to_owned();
    let (mut ring, features) = setup::open_flagged(abi::SETUP_URGENT, ENTRIES)
        .map_err(|error| (format!("setup with IORING_SETUP_URGENT fails: {error}"), needs()))?;
    if features & abi::FEAT_URGENT == 0 {
        let detail =
            "a ring with IORING_SETUP_URGENT opens, but the kernel does not report IORING_FEAT_URGENT";
        return Err((detail.to_owned(), needs()));
    }
    let flag = squeue::Flags::from_bits_retain(abi::IOSQE_URGENT);
    carry(&mut ring, opcode::Nop::new().build().flags(flag))
        .map_err(|error| (format!("the ring opens, but an urgent NOP fails: {error}"), needs()))?;
    Ok("a ring opens and completes an urgent NOP".to_owned())
}

fn batch_counters(ring: &IoUring) -> Tried {
    match Batches::open(vec![ring.as_raw_fd()]) {
        Some(_) => Ok("the fdinfo of a ring contains them".to_owned()),
        None => Err(("the fdinfo of a ring does not contain them".to_owned(), abi::NEEDS_PATCH.to_owned())),
    }
}

fn registered_ring_fd(ring: &IoUring) -> Tried {
    let mut submitter = ring.submitter();
    submitter.register_ring_fd().map_err(|error| (format!("registering fails: {error}"), newer("5.18")))?;
    // The index belongs to the thread, not to the ring, and would stay in use.
    submitter
        .unregister_ring_fd()
        .map_err(|error| (format!("unregistering fails: {error}"), newer("5.18")))?;
    Ok("registered and released".to_owned())
}

fn fixed_files(ring: &IoUring) -> Tried {
    let remedy = || "raise the limit of open files (ulimit -n, LimitNOFILE=)".to_owned();
    let register = || -> io::Result<()> {
        let file = fs::File::open("/dev/null")?;
        ring.submitter().register_files(&[file.as_raw_fd()])?;
        ring.submitter().unregister_files()
    };
    register().map_err(|error| (format!("registering fails: {error}"), remedy()))?;
    Ok("registered and released a file".to_owned())
}

fn fixed_buffers(ring: &IoUring) -> Tried {
    let first = page_size();
    let limit = memlock_limit();
    register_buffer(ring, first).map_err(|error| {
        let remedy = if error.raw_os_error() == Some(libc::ENOMEM) { memlock_remedy() } else { newer("5.1") };
        (format!("registering {} fails: {error}; {limit}", ByteSize(first as u64)), remedy)
    })?;
    let mut most = first;
    for size in BUFFER_SIZES {
        if let Err(error) = register_buffer(ring, size) {
            // Usable, up to a limit that larger trials exceed.
            return Ok(format!(
                "{} registered, {} not ({error}); {limit}: {}",
                ByteSize(most as u64),
                ByteSize(size as u64),
                memlock_remedy()
            ));
        }
        most = size;
    }
    Ok(format!("{} registered; {limit}", ByteSize(most as u64)))
}

fn register_buffer(ring: &IoUring, size: usize) -> io::Result<()> {
    let mut memory = vec![0u8; size];
    let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: size };
    // SAFETY: the buffer lives until it is unregistered below; no request refers to it.
    unsafe { ring.submitter().register_buffers(&[buffer])? };
    ring.submitter().unregister_buffers()
}
