//! Telling the service what hooks kept: at the start of a stack, and every few seconds after that.

use std::path::Path;
use std::time::{Duration, SystemTime};

use prost::Message;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::{ObservedEvent, ReportEventsRequest};
use shim_runtime::client::Channel;
use shim_runtime::lifecycle::Shutdown;
use tonic::{Code, Status};

use super::Spool;
use super::active::Active;
use super::record::{self, FileRead};

/// Between two looks at the folder.
const INTERVAL: Duration = Duration::from_secs(5);
/// After a failure.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);
/// Events of one call.
const MAX_EVENTS: usize = 500;
/// Bytes of one call, beyond its first event.
const MAX_BYTES: usize = 4 << 20;

type Observations = ObservationServiceClient<Channel>;

/// Tells what is in the spool until the shutdown begins.
pub(crate) async fn run(spool: Spool, service: Observations, shutdown: Shutdown) {
    let mut interval = INTERVAL;
    while !shutdown.is_begun() {
        match drain(&spool, &service).await {
            Ok(0) => interval = INTERVAL,
            Ok(events) => {
                interval = INTERVAL;
                tracing::info!(events, "read what hooks kept while no stack answered");
            }
            Err(why) => {
                interval = (interval * 2).min(LONGEST_INTERVAL);
                tracing::warn!("what hooks kept cannot be read now: {why}");
            }
        }
        spool.forget_old(SystemTime::now());
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// Tells what is in the spool now, file by file in the order of time. Returns how many events were told.
///
/// # Errors
/// In words, if the service does not take events, or a file cannot be read: it stays, and keeps no other back.
pub(crate) async fn drain(spool: &Spool, service: &Observations) -> Result<usize, String> {
    let said = |why: std::io::Error| why.to_string();
    // A file that was begun is completed, for nobody may write what is removed.
    if let Some(active) = Active::find(&spool.folder).map_err(said)?
        && active.file.metadata().map_err(said)?.len() > 0
    {
        active.complete(&spool.new_name()).map_err(said)?;
    }
    let mut told = 0;
    let mut unread = None;
    for file in spool.complete_files().map_err(said)? {
        let FileRead { events, skipped } = match record::read_file(&file) {
            Ok(read) => read,
            // A hook that needed room dropped it.
            Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => continue,
            Err(why) => {
                unread.get_or_insert_with(|| format!("{}: {why}", file.display()));
                continue;
            }
        };
        if skipped > 0 {
            tracing::warn!(skipped, file = %file.display(), "torn lines of hooks are left out");
        }
        told += events.len();
        tell(service, events).await?;
        remove(&file)?;
    }
    unread.map_or(Ok(told), Err)
}

fn remove(file: &Path) -> Result<(), String> {
    match std::fs::remove_file(file) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {why}", file.display()))
        }
        _ => Ok(()),
    }
}

async fn tell(service: &Observations, events: Vec<ObservedEvent>) -> Result<(), String> {
    for batch in batches(events) {
        let told = report(service, batch.clone()).await;
        let Err(status) = told else { continue };
        if !is_refusal(&status) {
            return Err(status.message().to_owned());
        }
        // One of them stands in the way of the others.
        for event in batch {
            match report(service, vec![event]).await {
                Err(status) if !is_refusal(&status) => return Err(status.message().to_owned()),
                Err(refused) => tracing::warn!("an event is left out: {}", refused.message()),
                Ok(()) => {}
            }
        }
    }
    Ok(())
}

async fn report(service: &Observations, events: Vec<ObservedEvent>) -> Result<(), Status> {
    let mut service = service.clone();
    let answer = service
        .report_events(ReportEventsRequest { events })
        .await?;
    if let Some(refused) = answer.into_inner().refused.first() {
        tracing::warn!("an event that a hook kept is refused: {}", refused.reason);
    }
    Ok(())
}

fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::OutOfRange)
}

/// The events in calls that are not too large, in order.
fn batches(events: Vec<ObservedEvent>) -> Vec<Vec<ObservedEvent>> {
    let mut batches: Vec<Vec<ObservedEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let size = event.encoded_len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_EVENTS && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push(event);
            }
            _ => {
                bytes = size;
                batches.push(vec![event]);
            }
        }
    }
    batches
}
