//! A runtime for work that mostly waits: DNS, the admin API, reloads, the last good snapshot.
//!
//! The node starts one, named `control`, and hands its [`handle`](BackgroundRuntime::handle) on. The store has a thread of its
//! own, since SQLite blocks. Pages for strangers get another runtime under another name, so that they never delay a change.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::engine::background;

/// Threads for work that blocks: a reload's files, the last good snapshot. Each ends when it has been idle for ten seconds.
const MAX_BLOCKING_THREADS: usize = 4;
/// The limit of [`stop`](BackgroundRuntime::stop)'s wait for work that blocks.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// One thread that runs every task, and a few on demand for [work that blocks](tokio::task::spawn_blocking). All of them come
/// second where they share a CPU with a shard. Dropping this ends the runtime without waiting; tasks that remain are dropped.
#[derive(Debug)]
pub struct BackgroundRuntime {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl BackgroundRuntime {
    /// Starts the thread, under this name. Threads for work that blocks are named `NAME-files`.
    ///
    /// # Errors
    /// The host has no thread or descriptor for it.
    pub fn start(name: &'static str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name(format!("{name}-files"))
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .on_thread_start(background::yield_to_shards)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = background::start(name, move || {
            // An error says that the owner dropped its end.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(STOP_TIMEOUT);
        })?;
        Ok(Self { handle, stop, thread })
    }

    /// The handle that spawns tasks. A thread that is not one of the runtime's may also block on a future with it.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drops the tasks that remain, and waits until the thread has ended: two seconds at most for work that blocks.
    pub fn stop(self) {
        let Self { stop, thread, .. } = self;
        drop(stop);
        // A panic of the thread was logged already.
        let _ = thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::BackgroundRuntime;

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[test]
    fn tasks_run_on_the_named_thread_and_blocking_work_beside_it() {
        let runtime = BackgroundRuntime::start("control").unwrap();
        let names = runtime.handle().spawn(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            (thread_name(), tokio::task::spawn_blocking(thread_name).await.unwrap())
        });
        let (task, blocking) = runtime.handle().block_on(names).unwrap();
        assert_eq!((task.as_str(), blocking.as_str()), ("control", "control-files"));
    }

    #[test]
    fn a_stop_drops_the_tasks_that_remain() {
        let runtime = BackgroundRuntime::start("control").unwrap();
        let (alive, ended) = channel::<()>();
        runtime.handle().spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        runtime.stop();
        assert!(ended.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Disconnected));
    }
}
