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
struct Touch {
    task: String,
    lease: u64,
    /// Lets the effect happen; else it is only asked whether it did.
    applies: bool,
}

/// How the place answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// A newer token was seen.
    Refused,
    /// The effect did not happen yet.
    Untouched,
    /// The effect has happened.
    Applied,
}

/// A task's place.
#[derive(Debug, Clone, Default)]
pub(super) struct Guarded {
    /// The highest token seen.
    pub(super) highest: u64,
    /// The tokens under which effects happened.
    pub(super) effects: Vec<u64>,
    /// How many were refused.
    pub(super) refused: u64,
}

impl Guarded {
    fn touch(&mut self, lease: u64, applies: bool) -> Answer {
        if lease < self.highest {
            self.refused += u64::from(applies);
            return Answer::Refused;
        }
        self.highest = lease;
        if applies {
            self.effects.push(lease);
        }
        if self.effects.is_empty() {
            Answer::Untouched
        } else {
            Answer::Applied
        }
    }
}

type Places = Arc<Mutex<BTreeMap<String, Guarded>>>;

/// The resource, served on a Unix socket as long as this lives.
pub(super) struct Resource {
    places: Places,
    socket: PathBuf,
    serving: AbortHandle,
}

impl Resource {
    pub(super) fn serve(folder: &Path) -> Self {
        let socket = folder.join("resource.sock");
        let listener = UnixListener::bind(&socket).expect("the socket is free");
        let places = Places::default();
        let serving = tokio::spawn(serve(listener, places.clone()));
        Self {
            places,
            socket,
            serving: serving.abort_handle(),
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What happened to each task's place.
    pub(super) fn places(&self) -> BTreeMap<String, Guarded> {
        locked(&self.places).clone()
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, places: Places) {
    while let Ok((stream, _)) = listener.accept().await {
        let places = places.clone();
        // Whoever is killed in the middle of a line leaves nothing but a broken connection.
        tokio::spawn(async move { converse(stream, &places).await });
    }
}

async fn converse(stream: UnixStream, places: &Places) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Some(line) = lines.next_line().await? {
        let touch: Touch = serde_json::from_str(&line)?;
        let answer = locked(places)
            .entry(touch.task)
            .or_default()
            .touch(touch.lease, touch.applies);
        let answer = format!("{}\n", serde_json::to_string(&answer)?);
        to.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn locked(places: &Places) -> MutexGuard<'_, BTreeMap<String, Guarded>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's way to the resource.
pub(super) struct Reach {
    to: OwnedWriteHalf,
    from: Lines<BufReader<OwnedReadHalf>>,
}

impl Reach {
    pub(super) async fn out(socket: &Path) -> io::Result<Self> {
        let (from, to) = UnixStream::connect(socket).await?.into_split();
        let from = BufReader::new(from).lines();
        Ok(Self { to, from })
    }

    /// Shows the token, and learns whether the effect has happened.
    pub(super) async fn begin(&mut self, task: &str, lease: u64) -> io::Result<Answer> {
        self.touch(task, lease, false).await
    }

    /// Lets the effect happen.
    pub(super) async fn apply(&mut self, task: &str, lease: u64) -> io::Result<Answer> {
        self.touch(task, lease, true).await
    }

    async fn touch(&mut self, task: &str, lease: u64, applies: bool) -> io::Result<Answer> {
        let task = task.to_owned();
        let touch = serde_json::to_string(&Touch {
            task,
            lease,
            applies,
        })?;
        self.to.write_all(format!("{touch}\n").as_bytes()).await?;
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
        let mut place = Guarded::default();
        assert_eq!(place.touch(3, false), Answer::Untouched);
        assert_eq!(place.touch(5, false), Answer::Untouched);
        assert_eq!(place.touch(3, true), Answer::Refused);
        assert_eq!(place.touch(5, true), Answer::Applied);
        assert_eq!(place.touch(7, false), Answer::Applied);
        assert_eq!((place.effects, place.refused), (vec![5], 1));
    }
}
