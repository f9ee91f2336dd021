//! Linux's older asynchronous interface: io_submit submits, io_getevents waits.
//!
//! It copies the description of each request into the kernel (64 bytes and a pointer) and each completion out (32
//! bytes), and it blocks inside io_submit if the file cannot be read asynchronously, as through the page cache.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use proto::refusal::{AioFailure, EngineRefusal, Refusal};
use syscalls::{Errno, Sysno, syscall};

use super::{Completion, Counts, Engine, Slot};
use crate::{
    buffers::Buffers,
    status::is_filtered,
    workload::{Op, OpKind},
};

const CMD_PREAD: u16 = 0;
const CMD_PWRITE: u16 = 1;
const CMD_FSYNC: u16 = 2;
const CMD_FDSYNC: u16 = 3;

/// `struct iocb`, little-endian layout.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    address: u64,
    len: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    resfd: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

/// The head of the completion ring (`struct aio_ring`).
#[repr(C)]
struct AioRing {
    id: u32,
    entries: u32,
    head: u32,
    tail: u32,
    magic: u32,
}

const AIO_RING_MAGIC: u32 = 0xa10a_10a1;

const _: () = assert!(size_of::<Iocb>() == 64 && size_of::<Event>() == 32);

/// The engine `libaio`.
pub struct Libaio {
    context: libc::c_ulong,
    file: OwnedFd,
    requests: Box<[Iocb]>,
    /// The addresses of queued requests, in order, with room for all slots.
    queued: Vec<*mut Iocb>,
    events: Box<[Event]>,
    visible: usize,
    submits: u64,
    waits: u64,
    submitted: u64,
    reaped: u64,
    // Dropped after the context is destroyed, which waits for requests in flight.
    buffers: Buffers,
}

// SAFETY: the pointers in `queued` are into `requests`, which the same value owns.
unsafe impl Send for Libaio {}

impl Libaio {
    /// Creates a context for `depth` requests.
    ///
    /// # Errors
    /// When the kernel refuses the context; the refusal names the limit.
    pub fn new(depth: u32, file: OwnedFd, buffers: Buffers) -> Result<Self, Refusal> {
        let mut context: libc::c_ulong = 0;
        // SAFETY: the pointer is to one context, zeroed as the call requires.
        let made = unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut context) };
        if made != 0 {
            let error = io::Error::last_os_error();
            let failure = match error.raw_os_error() {
                Some(libc::EAGAIN) => AioFailure::Exhausted,
                Some(libc::ENOSYS | libc::EPERM) if is_filtered() => AioFailure::Forbidden,
                Some(libc::ENOSYS) => AioFailure::NotSupported,
                Some(libc::EPERM) => AioFailure::Forbidden,
                _ => AioFailure::Other,
            };
            return Err(EngineRefusal::Aio { depth, failure, error: error.into() }.into());
        }
        Ok(Self {
            context,
            file,
            requests: vec![Iocb::default(); depth as usize].into(),
            queued: Vec::with_capacity(depth as usize),
            events: vec![Event::default(); depth as usize].into(),
            visible: 0,
            submits: 0,
            waits: 0,
            submitted: 0,
            reaped: 0,
            buffers,
        })
    }
}

impl Libaio {
    /// Whether there are completions. Reads the kernel's completion ring, which is mapped into the process.
    #[inline]
    fn has_events(&self) -> bool {
        if self.submitted == self.reaped {
            return false;
        }
        let ring = self.context as *const AioRing;
        // SAFETY: the context is the address of the mapping until it is destroyed; the kernel writes its fields
        // concurrently, hence the volatile reads.
        let (magic, head, tail) = unsafe {
            (
                (&raw const (*ring).magic).read_volatile(),
                (&raw const (*ring).head).read_volatile(),
                (&raw const (*ring).tail).read_volatile(),
            )
        };
        // A ring of another format can only be queried by a system call.
        magic != AIO_RING_MAGIC || head != tail
    }

    /// Waits for `least` completions, again if a signal ends the wait, and takes all available ones.
    #[inline]
    fn get_events(&mut self, least: u64) -> io::Result<usize> {
        loop {
            self.waits += 1;
            // SAFETY: there is room for as many events as the call may write.
            let done = unsafe {
                syscall!(
                    Sysno::io_getevents,
                    self.context,
                    least,
                    self.events.len(),
                    self.events.as_mut_ptr(),
                    std::ptr::null::<libc::timespec>()
                )
            };
            match done {
                Ok(done) => return Ok(done),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Libaio {
    fn drop(&mut self) {
        // SAFETY: the context belongs to this value and is not used after this; the call waits for requests in flight.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}

impl Engine for Libaio {
    #[inline]
    fn queue(&mut self, requests: impl Iterator<Item = (Slot, Op)>) {
        for (slot, op) in requests {
            let request = &mut self.requests[slot as usize];
            *request = Iocb {
                data: u64::from(slot),
                opcode: match op.kind {
                    OpKind::Read => CMD_PREAD,
                    OpKind::Write | OpKind::WriteLinked => CMD_PWRITE,
                    OpKind::Fsync => CMD_FSYNC,
                    OpKind::Fdatasync => CMD_FDSYNC,
                },
                fd: self.file.as_raw_fd().cast_unsigned(),
                // A sync has no offset and no memory; otherwise the kernel would refuse it.
                address: if op.len > 0 { self.buffers.of(slot, op) as u64 } else { 0 },
                len: u64::from(op.len),
                offset: op.offset.cast_signed(),
                ..Iocb::default()
            };
            self.queued.push(request);
        }
    }

    #[inline]
    fn commit(&mut self, wait: u32) -> io::Result<u32> {
        if !self.queued.is_empty() {
            self.submits += 1;
            // SAFETY: the pointers are to requests owned by this value, whose blocks stay untouched until reaped.
            let taken = unsafe {
                syscall!(Sysno::io_submit, self.context, self.queued.len(), self.queued.as_mut_ptr())
            };
            let taken = match taken {
                Ok(taken) => taken,
                Err(errno) => {
                    // Completions may occupy the resource that the kernel lacks, so they are taken even after an error.
                    if self.has_events() {
                        self.visible = self.get_events(0)?;
                    }
                    return Err(errno.into());
                }
            };
            self.submitted += taken as u64;
            self.queued.drain(..taken);
        }
        // The kernel may have taken fewer than were queued; waiting for more than it took would never end.
        let wait = u64::from(wait).min(self.submitted - self.reaped);
        if wait > 0 || self.has_events() {
            self.visible = self.get_events(wait)?;
        }
        Ok(self.visible as u32)
    }

    #[inline]
    fn reap(&mut self, mut each: impl FnMut(Completion)) {
        let visible = std::mem::take(&mut self.visible);
        self.reaped += visible as u64;
        for event in &self.events[..visible] {
            each(Completion { slot: event.data as Slot, result: event.result as i32 });
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            syscalls: [("io_submit", self.submits), ("io_getevents", self.waits), ("", 0), ("", 0)],
            submitted: self.submitted,
            ..Counts::default()
        }
    }
}
