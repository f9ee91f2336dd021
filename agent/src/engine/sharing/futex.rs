//! A lock and a parker that count their system calls. Those of the standard library work in the same way but would hide
//! calls that are part of the cost of an I/O.

use std::{
    cell::UnsafeCell,
    hint::spin_loop,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use rustix::thread::futex::{Flags, wait, wake};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
/// Taken, and a thread may be asleep on it.
const CONTENDED: u32 = 2;
/// Number of polls of a taken lock before sleeping on it, as in the standard library.
const LOOKS: u32 = 100;

/// A mutual exclusion lock on a futex (Drepper, "Futexes Are Tricky", the third mutex, with polling before sleeping).
/// Its word shares its cache lines with the value only.
#[repr(align(128))]
pub(super) struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is accessible only through a guard, of which one exists at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

/// Exclusive access to the locked value.
pub(super) struct Guard<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.state.compare_exchange(FREE, TAKEN, Acquire, Relaxed).ok().map(|_| Guard(self))
    }

    /// Takes the lock, waiting if necessary. Adds its system calls to `calls`.
    #[cold]
    pub(super) fn lock(&self, calls: &mut u64) -> Guard<'_, T> {
        let mut seen = self.look();
        if seen == FREE {
            match self.state.compare_exchange(FREE, TAKEN, Acquire, Relaxed) {
                Ok(_) => return Guard(self),
                Err(other) => seen = other,
            }
        }
        loop {
            // A thread that has slept does not know whether others sleep, so it marks the lock as contended.
            if seen != CONTENDED && self.state.swap(CONTENDED, Acquire) == FREE {
                return Guard(self);
            }
            *calls += 1;
            // An error means that the word has changed or a signal has arrived; both are reasons to check again.
            let _ = wait(&self.state, Flags::PRIVATE, CONTENDED, None);
            seen = self.look();
        }
    }

    fn look(&self) -> u32 {
        let mut looks = LOOKS;
        loop {
            let seen = self.state.load(Relaxed);
            if seen != TAKEN || looks == 0 {
                return seen;
            }
            looks -= 1;
            spin_loop();
        }
    }
}

impl<T> Guard<'_, T> {
    /// Releases the lock, and returns the number of system calls that this took.
    #[inline]
    pub(super) fn release(self) -> u64 {
        // Prevents a second release on drop.
        ManuallyDrop::new(self).free()
    }

    #[inline]
    fn free(&self) -> u64 {
        if self.0.state.swap(FREE, Release) != CONTENDED {
            return 0;
        }
        let _ = wake(&self.0.state, Flags::PRIVATE, 1);
        1
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: there is one guard, so nothing writes to the value while the guard is borrowed.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is one guard, and it is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.free();
    }
}

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;

/// Lets one thread sleep until another wakes it. A wake-up before the sleep is not lost.
pub(super) struct Parker(AtomicU32);

impl Parker {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(EMPTY))
    }

    /// Sleeps until woken; for the one thread that owns the parker. Returns the number of system calls.
    pub(super) fn park(&self) -> u64 {
        let mut calls = 0;
        if self.0.compare_exchange(EMPTY, PARKED, Acquire, Acquire).is_ok() {
            while self.0.load(Acquire) == PARKED {
                calls += 1;
                let _ = wait(&self.0, Flags::PRIVATE, PARKED, None);
            }
        }
        // By exchange, so that the writes of the last waking thread before its wake-up are visible even if that wake-up
        // was redundant.
        self.0.swap(EMPTY, Acquire);
        calls
    }

    /// Wakes the owner, or makes its next sleep return at once. Returns the number of system calls.
    pub(super) fn unpark(&self) -> u64 {
        if self.0.swap(NOTIFIED, Release) != PARKED {
            return 0;
        }
        let _ = wake(&self.0, Flags::PRIVATE, 1);
        1
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn lock_excludes_other_threads() {
        let lock = Lock::new(0u64);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        let mut guard = lock.try_lock().unwrap_or_else(|| lock.lock(&mut 0));
                        // Not atomic: two threads at once would lose a count.
                        let seen = *guard;
                        std::hint::black_box(&mut guard);
                        *guard = seen + 1;
                    }
                });
            }
        });
        assert_eq!(*lock.lock(&mut 0), 40_000);
        assert_eq!(lock.state.load(Relaxed), FREE);
    }

    #[test]
    fn lock_waiters_sleep_and_are_woken() {
        let lock = Lock::new(());
        thread::scope(|scope| {
            let guard = lock.try_lock().unwrap();
            let waiter = scope.spawn(|| {
                let mut calls = 0;
                drop(lock.lock(&mut calls));
                calls
            });
            thread::sleep(Duration::from_millis(30));
            assert!(!waiter.is_finished());
            assert!(lock.try_lock().is_none());
            assert_eq!(guard.release(), 1, "one to wake");
            assert!((1..=2).contains(&waiter.join().unwrap()), "one to sleep");
        });
        assert_eq!(lock.try_lock().unwrap().release(), 0);
    }

    #[test]
    fn wake_ups_are_never_lost() {
        let (here, there) = (Parker::new(), Parker::new());
        assert_eq!((here.unpark(), here.park()), (0, 0), "a wake-up before the sleep");
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    here.park();
                    there.unpark();
                }
            });
            for _ in 0..20_000 {
                here.unpark();
                there.park();
            }
        });
    }
}
