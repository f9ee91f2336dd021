//! Real-time priority for the moment of the start, so that a thread passes the start line on time although others use its
//! CPU. The hot loop runs without it.

/// Real-time priority of the calling thread until it is dropped. Without the privilege (CAP_SYS_NICE or RLIMIT_RTPRIO) it
/// changes nothing.
pub(super) struct Prompt {
    /// The policy and the priority to restore.
    before: Option<(i32, libc::sched_param)>,
}

impl Prompt {
    /// Takes the lowest real-time priority. A thread with a real-time policy keeps it.
    pub(super) fn begin() -> Self {
        // SAFETY: sched_param is plain data, for which zeros are valid.
        let mut own: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: the calls concern the calling thread (0), and `own` outlives them.
        let policy = unsafe {
            libc::sched_getparam(0, &raw mut own);
            libc::sched_getscheduler(0)
        };
        let prompt = libc::sched_param { sched_priority: 1 };
        let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE].contains(&policy);
        let before = (ordinary && set(libc::SCHED_FIFO, prompt)).then_some((policy, own));
        Self { before }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        if let Some((policy, own)) = self.before {
            // Giving up priority needs no privilege.
            set(policy, own);
        }
    }
}

fn set(policy: i32, own: libc::sched_param) -> bool {
    // SAFETY: the call concerns the calling thread (0), and `own` outlives it.
    unsafe { libc::sched_setscheduler(0, policy, &raw const own) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_restored() {
        // SAFETY: the call only reads the policy of the calling thread.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let before = policy();
        let prompt = Prompt::begin();
        match prompt.before {
            Some(_) => assert_eq!(policy(), libc::SCHED_FIFO),
            None => crate::skip::skip("real-time priority is not permitted"),
        }
        drop(prompt);
        assert_eq!(policy(), before);
    }
}
