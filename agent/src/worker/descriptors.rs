//! The worker's table of open files.
//!
//! Threads share one table. A call that looks a descriptor up in a shared table takes and drops a reference to the
//! file: two atomic operations that a single-threaded program does not pay for. The agent has other threads besides its
//! workers, and these must not add to the cost of an I/O. So a single worker gets its own table, as in a
//! single-threaded program. Several workers share one, as the threads of one program do.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a copy of the descriptor table, and returns the descriptor of `file` in it. Files that the
/// thread opens from then on are in its own table only. The other descriptors stay open in it, because one of them is
/// used to wake the runtime.
///
/// # Errors
/// When there is no memory for the table.
pub fn own_table(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the thread owns no descriptor that other threads expect it to close: it has only borrowed `file`.
    unsafe { unshare_unsafe(UnshareFlags::FILES)? };
    // SAFETY: the descriptor is open in this thread's table, and nothing else refers to it there.
    Ok(unsafe { OwnedFd::from_raw_fd(file.as_raw_fd()) })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _, os::fd::AsFd as _, thread};

    use super::*;

    #[test]
    fn closing_in_a_private_table_leaves_other_tables_alone() {
        let mut file = File::open("/proc/version").unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(own_table(file.as_fd()).unwrap());
                assert!(file.metadata().is_err(), "closed here");
            });
        });
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("Linux"));
    }
}
