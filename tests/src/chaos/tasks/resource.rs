//! What the tasks act upon: a place for each task that only the holder of its newest fencing token may touch.
//!
//! It is as simple as what a fencing token protects in the world: it remembers the highest token it has seen for a task
//! and refuses smaller ones. It never looks at the store, and counts every effect it let happen.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

/// What is asked of a task's place, a JSON object a line.
#[derive(Debug, Serialize, Deserialize)]
struct ResourceRequest {
    task: String,
    lease: u64,
    /// Lets the effect happen; else it is only asked whether it did.
    applies: bool,
}

/// How the place answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ResourceReply {
    /// A newer token was seen.
    Refused,
    /// The effect did not happen yet.
    Untouched,
    /// The effect has happened.
    Applied,
}

/// A task's place.
#[derive(Debug, Clone, Default)]
pub(super) struct FencedResource {
    /// The highest token seen.
    pub(super) highest: u64,
    /// The tokens under which effects happened.
    pub(super) effects: Vec<u64>,
    /// How many were refused.
    pub(super) refused: u64,
}

impl FencedResource {
    fn access(&mut self, lease: u64, applies: bool) -> ResourceReply {
        if lease < self.highest {
            self.refused += u64::from(applies);
            return ResourceReply::Refused;
        }
        self.highest = lease;
        if applies {
            self.effects.push(lease);
        }
        if self.effects.is_empty() {
            ResourceReply::Untouched
        } else {
            ResourceReply::Applied
        }
    }
}

type Resources = Arc<Mutex<BTreeMap<String, FencedResource>>>;

/// The resource, served on a Unix socket as long as this lives.
pub(super) struct ResourceServer {
    resources: Resources,
    socket: PathBuf,
    serving: AbortHandle,
}

impl ResourceServer {
    pub(super) fn serve(folder: &Path) -> Self {
        let socket = folder.join("resource.sock");
        let listener = UnixListener::bind(&socket).expect("the socket is free");
        let resources = Resources::default();
        let serving = tokio::spawn(serve(listener, resources.clone()));
        Self {
            resources,
            socket,
            serving: serving.abort_handle(),
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What happened to each task's place.
    pub(super) fn resources(&self) -> BTreeMap<String, FencedResource> {
        locked(&self.resources).clone()
    }
}

impl Drop for ResourceServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, resources: Resources) {
    while let Ok((stream, _)) = listener.accept().await {
        let resources = resources.clone();
        // A client that is killed in the middle of a line leaves nothing but a broken connection.
        tokio::spawn(async move { serve_connection(stream, &resources).await });
    }
}

async fn serve_connection(stream: UnixStream, resources: &Resources) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Some(line) = lines.next_line().await? {
        let request: ResourceRequest = serde_json::from_str(&line)?;
        let answer = locked(resources)
            .entry(request.task)
            .or_default()
            .access(request.lease, request.applies);
        let answer = format!("{}\n", serde_json::to_string(&answer)?);
        to.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn locked(resources: &Resources) -> MutexGuard<'_, BTreeMap<String, FencedResource>> {
    resources.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's way to the resource.
pub(super) struct ResourceClient {
    to: OwnedWriteHalf,
    from: Lines<BufReader<OwnedReadHalf>>,
}

impl ResourceClient {
    pub(super) async fn connect(socket: &Path) -> io::Result<Self> {
        let (from, to) = UnixStream::connect(socket).await?.into_split();
        let from = BufReader::new(from).lines();
        Ok(Self { to, from })
    }

    /// Shows the token, and learns whether the effect has happened.
    pub(super) async fn begin(&mut self, task: &str, lease: u64) -> io::Result<ResourceReply> {
        self.access(task, lease, false).await
    }

    /// Lets the effect happen.
    pub(super) async fn apply(&mut self, task: &str, lease: u64) -> io::Result<ResourceReply> {
        self.access(task, lease, true).await
    }

    async fn access(&mut self, task: &str, lease: u64, applies: bool) -> io::Result<ResourceReply> {
        let task = task.to_owned();
        let request = serde_json::to_string(&ResourceRequest {
            task,
            lease,
            applies,
        })?;
        self.to.write_all(format!("{request}\n").as_bytes()).await?;
        let line = self.from.next_line().await?;
        let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_str(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_is_refused_once_a_newer_one_was_shown() {
        let mut resource = FencedResource::default();
        assert_eq!(resource.access(3, false), ResourceReply::Untouched);
        assert_eq!(resource.access(5, false), ResourceReply::Untouched);
        assert_eq!(resource.access(3, true), ResourceReply::Refused);
        assert_eq!(resource.access(5, true), ResourceReply::Applied);
        assert_eq!(resource.access(7, false), ResourceReply::Applied);
        assert_eq!((resource.effects, resource.refused), (vec![5], 1));
    }
}
