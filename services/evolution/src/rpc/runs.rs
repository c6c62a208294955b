//! Streaming mutations: a request that comes twice is one run with two readers, and once it is over, one answer.
//!
//! (A) A run goes on while it has a reader; the last that leaves cancels it. Who comes while it winds down waits for its end, and
//!     begins anew.
//! (B) A reader that joins sees every message but old progress.
//! (C) What a run that succeeded answered is in the database before the run is forgotten; what failed may be tried again
//!     with the same request id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use shim_runtime::rpc::ResponseStream;
use shim_runtime::trace;
use shim_sqlite::SqliteError;
use shim_sqlite::idempotency::IdempotencyKey;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::streamed::{Calls, Streamed, bounded};
use crate::error::EvolutionError;
use crate::spans::continued;

/// Messages that wait for a slow reader.
const WAITING: usize = 64;

/// A streaming mutation.
pub(super) struct Mutation {
    /// Its method.
    pub(super) method: &'static str,
    /// Its request's id.
    pub(super) request_id: String,
    /// What the id stands for.
    pub(super) key: IdempotencyKey,
    /// The whole request, encoded.
    pub(super) request: Vec<u8>,
}

impl Mutation {
    /// `message` is the whole request, whose id is `request_id`.
    pub(super) fn new(
        method: &'static str,
        request_id: &str,
        message: &impl prost::Message,
    ) -> Self {
        Self {
            method,
            request_id: request_id.to_owned(),
            key: IdempotencyKey::new(method, request_id, message),
            request: message.encode_to_vec(),
        }
    }
}

/// The runs of one method, by request id. Clones share them.
#[derive(Clone)]
pub(super) struct Runs<T>(Arc<Mutex<HashMap<String, Arc<Run<T>>>>>);

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

struct Run<T> {
    request: Vec<u8>,
    log: watch::Sender<Log<T>>,
    readers: Mutex<usize>,
    cancel: CancellationToken,
}

/// What a run said so far.
struct Log<T> {
    /// Everything but progress.
    messages: Vec<T>,
    /// The newest progress with its number.
    progress: Option<(u64, T)>,
    /// How it ended.
    end: Option<Result<(), Status>>,
}

/// A reader of a run, counted while it reads.
struct Reader<T> {
    run: Arc<Run<T>>,
    log: watch::Receiver<Log<T>>,
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut readers = lock(&self.run.readers);
        *readers -= 1;
        if *readers == 0 {
            self.run.cancel.cancel();
        }
    }
}

/// Answers a mutation: as before if it was answered, with the messages of its run if it runs, with a new run of `work`
/// otherwise. `work` says its messages to the sender, and ends soon after its token is cancelled.
///
/// # Errors
/// If the request id was used for another request; the store's failures.
pub(super) async fn answer<T, F>(
    calls: &Calls,
    runs: &Runs<T>,
    mutation: Mutation,
    work: impl FnOnce(mpsc::Sender<T>, CancellationToken) -> F + Send + 'static,
) -> Result<ResponseStream<T>, EvolutionError>
where
    T: Streamed + Sync,
    F: Future<Output = Result<(), EvolutionError>> + Send + 'static,
{
    let (sender, stream) = mpsc::channel(WAITING);
    let told = sender.clone();
    let reader = loop {
        runs.wait_for_cancelled(&mutation.request_id).await;
        if let Some(reader) = runs.join(&mutation)? {
            break reader;
        }
        if let Some(messages) = calls.engine.store.recorded_stream(&mutation.key).await? {
            let replaying = replay(messages, sender);
            calls
                .tasks
                .spawn_stream("evolution_replay", told, replaying);
            return Ok(ResponseStream::new(stream));
        }
        match runs.begin(&mutation)? {
            Some((reader, true)) => {
                start(calls, runs, mutation, Arc::clone(&reader.run), work);
                break reader;
            }
            Some((reader, false)) => break reader,
            None => {}
        }
    };
    calls
        .tasks
        .spawn_stream("evolution_reader", told, follow(reader, sender));
    Ok(ResponseStream::new(stream))
}

/// Sends what was answered before.
async fn replay<T>(messages: Vec<T>, sender: mpsc::Sender<Result<T, Status>>) {
    for message in messages {
        if sender.send(Ok(message)).await.is_err() {
            return;
        }
    }
}

/// Runs `work` with a log.
fn start<T, F>(
    calls: &Calls,
    runs: &Runs<T>,
    mutation: Mutation,
    run: Arc<Run<T>>,
    work: impl FnOnce(mpsc::Sender<T>, CancellationToken) -> F + Send + 'static,
) where
    T: Streamed + Sync,
    F: Future<Output = Result<(), EvolutionError>> + Send + 'static,
{
    let (calls, runs) = (calls.clone(), runs.clone());
    let tasks = calls.tasks.clone();
    let trace = trace::current();
    let working = async move {
        // Whatever ends this, a panic too, readers see an end and the id is free again.
        let forget = Forget {
            runs,
            request_id: mutation.request_id.clone(),
            run: Arc::clone(&run),
        };
        let method = mutation.method;
        let end = log_and_record(&calls, mutation.key, &run, work).await;
        tracing::debug!(method, is_ok = end.is_ok(), "a run ended");
        forget.with(end);
    };
    tasks.spawn_contained("evolution_run", continued(trace, working));
}

/// Runs `work`, logs what it says, and records that once it succeeded.
async fn log_and_record<T, F>(
    calls: &Calls,
    key: IdempotencyKey,
    run: &Run<T>,
    work: impl FnOnce(mpsc::Sender<T>, CancellationToken) -> F,
) -> Result<(), Status>
where
    T: Streamed + Sync,
    F: Future<Output = Result<(), EvolutionError>>,
{
    let (events, mut told) = mpsc::channel(WAITING);
    let working = async {
        let work = Box::pin(work(events.clone(), run.cancel.clone()));
        let done = bounded(calls, &events, &run.cancel, work).await;
        drop(events);
        done
    };
    let logging = async {
        while let Some(message) = told.recv().await {
            run.log.send_modify(|log| log.add(message));
        }
    };
    let (done, ()) = tokio::join!(working, logging);
    done?;
    let messages = run.log.borrow().messages.clone();
    calls.engine.store.record_stream(key, &messages).await?;
    Ok(())
}

/// Sends the messages of a run to one reader, until the run's end or the reader's.
async fn follow<T: Streamed + Sync>(
    mut reader: Reader<T>,
    sender: mpsc::Sender<Result<T, Status>>,
) {
    let (mut sent, mut seen) = (0, 0);
    loop {
        let (messages, end) = reader.log.borrow_and_update().since(&mut sent, &mut seen);
        for message in messages {
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
        match end {
            Some(Ok(())) => return,
            Some(Err(status)) => {
                let _ = sender.send(Err(status)).await;
                return;
            }
            None => {}
        }
        tokio::select! {
            changed = reader.log.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
        }
    }
}

impl<T: Streamed> Log<T> {
    fn add(&mut self, message: T) {
        if message.is_progress() {
            let number = self.progress.as_ref().map_or(0, |(number, _)| *number);
            self.progress = Some((number + 1, message));
        } else {
            self.messages.push(message);
        }
    }

    /// What a reader that saw `sent` messages and the progress `seen` has not seen yet.
    fn since(&self, sent: &mut usize, seen: &mut u64) -> (Vec<T>, Option<Result<(), Status>>) {
        let mut new: Vec<T> = self.messages.get(*sent..).unwrap_or_default().to_vec();
        *sent = self.messages.len();
        if let Some((number, progress)) = &self.progress
            && *number > *seen
            && self.end.is_none()
        {
            *seen = *number;
            new.push(progress.clone());
        }
        (new, self.end.clone())
    }
}

impl<T> Runs<T> {
    /// Waits for the end of a run that was cancelled: its answer is nobody's any more.
    async fn wait_for_cancelled(&self, request_id: &str) {
        let run = lock(&self.0).get(request_id).cloned();
        if let Some(run) = run.filter(|run| run.cancel.is_cancelled()) {
            // It cannot fail: the run holds the sender.
            let _ = run.log.subscribe().wait_for(|log| log.end.is_some()).await;
        }
    }

    /// A reader of the run of this mutation, if it runs and was not cancelled.
    fn join(&self, mutation: &Mutation) -> Result<Option<Reader<T>>, EvolutionError> {
        let running = lock(&self.0);
        match running.get(&mutation.request_id) {
            Some(run) => run.reader(mutation),
            None => Ok(None),
        }
    }

    /// A reader of the run of this mutation, which may begin with it; `None` while a cancelled one has not ended.
    fn begin(&self, mutation: &Mutation) -> Result<Option<(Reader<T>, bool)>, EvolutionError> {
        let mut running = lock(&self.0);
        if let Some(run) = running.get(&mutation.request_id) {
            if let Some(reader) = run.reader(mutation)? {
                return Ok(Some((reader, false)));
            }
            if run.log.borrow().end.is_none() {
                return Ok(None);
            }
        }
        let (log, _) = watch::channel(Log {
            messages: Vec::new(),
            progress: None,
            end: None,
        });
        let run = Arc::new(Run {
            request: mutation.request.clone(),
            log,
            readers: Mutex::new(0),
            cancel: CancellationToken::new(),
        });
        let reader = run.reader(mutation)?;
        running.insert(mutation.request_id.clone(), run);
        Ok(reader.map(|reader| (reader, true)))
    }
}

impl<T> Run<T> {
    /// One reader more; `None` if the run was cancelled.
    fn reader(self: &Arc<Self>, mutation: &Mutation) -> Result<Option<Reader<T>>, EvolutionError> {
        if self.request != mutation.request {
            let reused = SqliteError::RequestIdReused(mutation.request_id.clone());
            return Err(reused.into());
        }
        let mut readers = lock(&self.readers);
        // The last reader cancels while it holds the lock.
        if self.cancel.is_cancelled() {
            return Ok(None);
        }
        *readers += 1;
        Ok(Some(Reader {
            run: Arc::clone(self),
            log: self.log.subscribe(),
        }))
    }
}

/// Ends a run for its readers and frees its request id.
struct Forget<T> {
    runs: Runs<T>,
    request_id: String,
    run: Arc<Run<T>>,
}

impl<T> Forget<T> {
    fn with(self, end: Result<(), Status>) {
        self.run.log.send_modify(|log| log.end = Some(end));
    }
}

impl<T> Drop for Forget<T> {
    fn drop(&mut self) {
        self.run.log.send_modify(|log| {
            let defect = || {
                Err(Status::internal(
                    "the call ended in a defect of the service",
                ))
            };
            log.end.get_or_insert_with(defect);
        });
        let mut running = lock(&self.runs.0);
        let is_own = |run: &Arc<Run<T>>| Arc::ptr_eq(run, &self.run);
        if running.get(&self.request_id).is_some_and(is_own) {
            running.remove(&self.request_id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
