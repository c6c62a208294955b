//! Finding the session or checkpoint that an argument names.

use shim_proto::checkpoint::v1::{Checkpoint, GetCheckpointRequest, GetSessionRequest, Session};
use uuid::Uuid;

use super::pages::{SessionFilter, list_all};
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::id_prefix::{IdPrefix, Identified, pick};

/// The session with this id, or with an id that begins or ends so.
///
/// # Errors
/// If no session or more than one has such an id.
pub(crate) async fn session(service: &mut Checkpoints, typed: &str) -> Result<Session, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        let asked = GetSessionRequest {
            session_id: typed.to_lowercase(),
        };
        let found = call(service.get_session(request(asked))).await?.session;
        return found.ok_or_else(|| CliError::new("the service answered without a session"));
    }
    let digits = IdPrefix::of(typed, Session::NOUN)?;
    pick(
        list_all(service, &SessionFilter::default(), usize::MAX).await?,
        &digits,
    )
}

/// The checkpoint meant by its id, or by `SESSION:NUMBER` or `SESSION` for the newest one.
///
/// # Errors
/// If there is none.
pub(super) async fn checkpoint(
    service: &mut Checkpoints,
    typed: &str,
) -> Result<Checkpoint, CliError> {
    let asked = if Uuid::try_parse(typed).is_ok() {
        GetCheckpointRequest {
            checkpoint_id: typed.to_lowercase(),
            ..GetCheckpointRequest::default()
        }
    } else {
        let (name, number) = typed.split_once(':').unwrap_or((typed, "0"));
        let number = number.parse().map_err(|_| {
            CliError::new(format!("\"{typed}\" names no checkpoint"))
                .hint("give a checkpoint id, or SESSION:NUMBER such as 9a0b1c2d:3")
        })?;
        let session_id = session(service, name).await?.id;
        GetCheckpointRequest {
            session_id,
            number,
            ..GetCheckpointRequest::default()
        }
    };
    let found = call(service.get_checkpoint(request(asked)))
        .await?
        .checkpoint;
    found.ok_or_else(|| CliError::new("the service answered without a checkpoint"))
}
