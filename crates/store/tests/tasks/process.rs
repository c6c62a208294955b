//! A process of its own over a test's Redis: what is on its way in it dies with it.

use std::future::Future;

use shim_runtime::lifecycle::Shutdown;
use shim_store::Store;
use tokio::runtime::{Builder, Runtime};

use super::test_store::store_at;

/// A store with the threads its work runs on.
pub(crate) struct Process {
    pub(crate) store: Store,
    runtime: Option<Runtime>,
}

impl Process {
    pub(crate) async fn start(url: &str) -> Self {
        let runtime = Builder::new_multi_thread();
        let mut runtime = runtime;
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let url = url.to_owned();
        let opened = runtime.spawn(async move { store_at(&url, &Shutdown::new()).await });
        Self {
            store: opened.await.unwrap(),
            runtime: Some(runtime),
        }
    }

    /// Does something in this process.
    pub(crate) async fn run<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.spawn(work).await.unwrap()
    }

    /// Begins something that may end with the process.
    pub(crate) fn begin<F>(&self, work: F)
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.runtime.as_ref().unwrap().spawn(work);
    }
}

impl Drop for Process {
    /// Ends it at once, wherever it is.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
