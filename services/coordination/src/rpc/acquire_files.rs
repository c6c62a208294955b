//! AcquireFiles: leases files by patterns, all or none, waiting for them if told.
//!
//! Waiters have no order among themselves: whoever looks first when the files are free has them.

use std::time::Duration;

use shim_proto::coordination::v1::{
    AcquireFilesRequest, AcquireFilesResponse, FileLease, FileLeaseMode,
};
use shim_runtime::server::begin_waiting;
use shim_store::domain::leases::{Wish, in_words};
use shim_store::files::{Ask, Outcome, RELEASED};
use shim_store::{Error, Once, Topic};
use tokio::time::Instant;
use tonic::Status;

use super::Api;
use super::fields::{Fields, MAX_ACTOR_BYTES, MAX_PURPOSE_BYTES};
use super::patterns::patterns;

/// A waiter looks this often although nobody tells of a release: leases also end by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn handle(
    api: &Api,
    request: AcquireFilesRequest,
) -> Result<AcquireFilesResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let workspace = fields.namespace("workspace", &request.workspace);
    fields.required("holder", &request.holder, MAX_ACTOR_BYTES);
    fields.text("purpose", &request.purpose, MAX_PURPOSE_BYTES);
    let patterns = patterns(&mut fields, &request.patterns);
    let mode = mode(&mut fields, request.mode);
    let ttl = fields.files_ttl(request.ttl.as_ref());
    let wait = fields.wait(request.wait.as_ref());
    fields.fence(request.fence.as_ref());
    fields.finish()?;

    let once = Once::of(&request.request_id, &request);
    let ask = Ask {
        workspace,
        wish: Wish {
            holder: request.holder,
            mode,
            patterns,
        },
        purpose: request.purpose,
        ttl,
        fence: request.fence,
    };
    let lease = match wait {
        Duration::ZERO => match api.store.files.acquire(&once, &ask).await? {
            Outcome::Leased(lease) => lease,
            Outcome::Held(conflicts) => return Err(Error::FilesHeld(in_words(&conflicts)).into()),
        },
        wait => {
            begin_waiting()?;
            wait_for(api, &once, &ask, Instant::now() + wait).await?
        }
    };
    Ok(AcquireFilesResponse { lease: Some(lease) })
}

fn mode(fields: &mut Fields, mode: i32) -> FileLeaseMode {
    match FileLeaseMode::try_from(mode) {
        Ok(FileLeaseMode::Unspecified | FileLeaseMode::Exclusive) => FileLeaseMode::Exclusive,
        Ok(FileLeaseMode::Shared) => FileLeaseMode::Shared,
        Err(_) => {
            fields.refuse(
                "mode",
                format!("must be EXCLUSIVE (1) or SHARED (2); it is {mode}"),
            );
            FileLeaseMode::Exclusive
        }
    }
}

/// Tries whenever a release in the workspace is told, a lease in the way ends, or a moment has passed.
async fn wait_for(
    api: &Api,
    once: &Once,
    ask: &Ask,
    deadline: Instant,
) -> Result<FileLease, Error> {
    let topic = Topic::Channel(api.store.keys.channel(RELEASED));
    let mut ear = api.store.ear.listen(topic).await?;
    loop {
        let refused = match api.store.files.acquire(once, ask).await {
            Ok(Outcome::Leased(lease)) => return Ok(lease),
            Ok(Outcome::Held(conflicts)) => Error::FilesHeld(in_words(&conflicts)),
            Err(Error::Overloaded) => Error::Overloaded,
            Err(error) => return Err(error),
        };
        let released = ear.until(|news| {
            news.data.get("workspace").and_then(|v| v.as_str()) == Some(&ask.workspace)
        });
        // Jitter keeps many waiters from trying in step.
        let look = LOOK_EVERY.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = released => {}
            () = tokio::time::sleep(look) => {}
            () = tokio::time::sleep_until(deadline) => return Err(refused),
            () = api.shutdown.wait() => return Err(Error::Stopping),
        }
    }
}
