//! Which evolutions this process applies or takes back at the moment. What is being applied and is not among them was left so
//! by a crash, or by a disk that was full at the end.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The ids of these evolutions. Clones share them.
#[derive(Clone)]
pub(crate) struct AtWork(watch::Sender<BTreeSet<String>>);

impl Default for AtWork {
    fn default() -> Self {
        Self(watch::channel(BTreeSet::new()).0)
    }
}

/// The right to change an evolution; it ends with this handle.
pub(super) struct Work {
    all: AtWork,
    id: String,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.all.0.send_modify(|all| {
            all.remove(&self.id);
        });
    }
}

impl AtWork {
    /// Begins work on an evolution; `None` if there is some already.
    pub(super) fn begin(&self, id: &str) -> Option<Work> {
        let is_new = self.0.send_if_modified(|all| all.insert(id.to_owned()));
        is_new.then(|| Work {
            all: self.clone(),
            id: id.to_owned(),
        })
    }

    /// Begins work on an evolution as soon as nobody else works on it.
    pub(super) async fn begin_when_free(&self, id: &str) -> Work {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(work) = self.begin(id) {
                return work;
            }
            // It cannot fail: this handle holds the sender.
            let _ = changes.wait_for(|all| !all.contains(id)).await;
        }
    }
}
