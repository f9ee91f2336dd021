//! Stop requests: raised by SIGINT, SIGTERM and SIGHUP, observed by every wait.

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::spawn_blocking,
    time::timeout,
};

use crate::{exit::Exit, screen::full};

/// Time to restore the terminal before the second signal ends the process.
const RESTORE: Duration = Duration::from_millis(500);

/// Receives stop requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Sends stop requests.
#[derive(Debug)]
pub struct StopSwitch(watch::Sender<bool>);

impl StopSwitch {
    /// Requests an orderly stop. A second request has no effect.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// A sender and its receiver.
    #[must_use]
    pub fn channel() -> (StopSwitch, Self) {
        let (switch, stop) = watch::channel(false);
        (StopSwitch(switch), Self(stop))
    }

    /// Listens for SIGINT, SIGTERM and SIGHUP from now on; not for SIGHUP under `nohup`. The first signal requests an orderly stop. The second ends the
    /// process at once; an embedded agent then sees its socket close and ends too. Needs a multi-threaded runtime,
    /// because the second signal must work while the first thread computes.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub fn on_signals(on_first: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = agent::signals::hangup()?;
        let (switch, stop) = Self::channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = hangup.received() => {}
                }
                if *switch.0.borrow() {
                    // A terminal that accepts no output must not keep the process.
                    let _ = timeout(RESTORE, spawn_blocking(full::leave)).await;
                    std::process::exit(Exit::Interrupted.code().into());
                }
                switch.request();
                on_first();
            }
        });
        Ok(stop)
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for a stop request; forever if no sender remains.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|&asked| asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work`; `None` if a stop is requested first.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn abandons_work_on_a_stop_request() {
        let (switch, stop) = Stop::channel();
        assert_eq!(stop.or(async { 1 }).await, Some(1));
        switch.request();
        assert_eq!(stop.or(std::future::pending::<()>()).await, None);
        assert!(stop.is_requested());
    }
}
