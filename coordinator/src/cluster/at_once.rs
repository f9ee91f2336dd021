//! Asks many hosts at once, but not all of a thousand: each answer would then wait for all others, and time out.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinSet};

/// The most hosts that are asked at a time.
const AT_ONCE: usize = 32;

/// Runs tasks, at most [`AT_ONCE`] at a time. Returns their results in the order of the tasks.
pub(super) async fn each<F>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let room = Arc::clone(&room);
        running.spawn(async move {
            // Nobody closes it; without a permit, the task would only run earlier.
            let _permit = room.acquire_owned().await;
            (index, task.await)
        });
    }
    let mut results = running.join_all().await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn results_are_in_order_and_few_tasks_run_at_a_time() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let task = |index: usize| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Later tasks end earlier.
                for _ in 0..200 - index {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                index
            }
        };
        assert_eq!(each((0..100).map(task)).await, (0..100).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
        assert!(each(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
