//! The wish to stop: raised by SIGINT and SIGTERM, heard by everything that waits.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::exit::Exit;

/// Hears the wish to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Raises the wish to stop.
#[derive(Debug)]
pub struct StopSwitch(watch::Sender<bool>);

impl StopSwitch {
    /// Asks everything that waits to end in order. Asking twice changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// A switch and what hears it.
    #[must_use]
    pub fn channel() -> (StopSwitch, Self) {
        let (switch, stop) = watch::channel(false);
        (StopSwitch(switch), Self(stop))
    }

    /// Listens for SIGINT and SIGTERM from now on. The first asks to end in order; the second ends the
    /// process at once (an embedded agent then sees its socket close, and ends too). Needs a runtime with
    /// threads of its own, since the second signal must work while the first thread computes.
    ///
    /// # Errors
    /// Where the signal handlers cannot be installed.
    pub fn on_signals(on_first: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (switch, stop) = Self::channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if *switch.0.borrow() {
                    std::process::exit(Exit::Interrupted.code().into());
                }
                switch.request();
                on_first();
            }
        });
        Ok(stop)
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked to stop: for ever, if nobody can ask any more.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|&asked| asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` unless it is asked to stop first: `None` then.
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
    async fn work_is_given_up_when_asked_to_stop() {
        let (switch, stop) = Stop::channel();
        assert_eq!(stop.or(async { 1 }).await, Some(1));
        switch.request();
        assert_eq!(stop.or(std::future::pending::<()>()).await, None);
        assert!(stop.is_requested());
    }
}
