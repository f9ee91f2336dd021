//! The worker's table of open files.
//!
//! Threads share one table, and a call that looks a descriptor up in a shared table counts a reference to the file
//! and gives it back: two atomic operations that a program of a single thread does not pay. The agent has threads of
//! its own beside its workers; what they cost must not end up in the I/O. So a lone worker gets a table of its own,
//! as in a program of one thread. Several workers share one, as the threads of one program do.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a copy of the table of descriptors, and returns the descriptor of `file` in it. What the
/// thread opens from then on is its own. The other descriptors stay, for the runtime is woken by one of them.
///
/// # Errors
/// Where there is no memory for the table.
pub fn own_table(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the thread owns no descriptor that others would expect it to close: it was given none but `file`,
    // and that as a loan.
    unsafe { unshare_unsafe(UnshareFlags::FILES)? };
    // SAFETY: in this thread's table the descriptor is open, and nothing else refers to it there.
    Ok(unsafe { OwnedFd::from_raw_fd(file.as_raw_fd()) })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _, os::fd::AsFd as _, thread};

    use super::*;

    #[test]
    fn what_a_thread_closes_in_its_own_table_stays_open_in_the_others() {
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
