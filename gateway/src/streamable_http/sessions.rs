//! The MCP sessions of the endpoint. Each belongs to the caller that began it, and there are at most so many, in all and of
//! one caller: a new one closes the one of its caller, or of all, that was idle for longest.
//!
//! rmcp asks its session manager without saying for whom. A request's caller is therefore in a task-local while rmcp handles
//! it, and so is what the manager refused: rmcp would answer 500 for it.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use metrics::gauge;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::common::server_side_http::{ServerSseMessage, SessionId};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use shim_proto::reasons::OVERLOADED;
use shim_runtime::auth::{Caller, Identity};
use shim_runtime::limits::Limits;
use shim_runtime::service_error::ServiceError;
use tokio_util::bytes::Bytes;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::Body as HttpBody;

use super::refusal::{plain, refusal_response};

const SESSION_HEADER: &str = "mcp-session-id";
/// One caller may have this share of all sessions.
const CALLERS_SHARE: usize = 4;
/// Sessions that are all at work are not for long.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The call that rmcp handles.
#[derive(Clone)]
struct CurrentCall {
    caller: Identity,
    is_refused: Arc<AtomicBool>,
}

tokio::task_local! {
    static CURRENT: CurrentCall;
}

/// All sessions.
pub(super) struct SessionTable {
    inner: LocalSessionManager,
    limit: usize,
    sessions: Mutex<HashMap<SessionId, OwnedSession>>,
    /// One session begins at a time, so that the bounds hold.
    beginning: tokio::sync::Mutex<()>,
}

struct OwnedSession {
    owner: Identity,
    used: Instant,
    /// Requests and streams of it that are not answered to the end.
    open: usize,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// All sessions are at work.
    #[error("all MCP sessions are at work")]
    Full,
    /// rmcp's own.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl SessionTable {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(limits.mcp_session_idle);
        Self {
            inner,
            limit: limits.mcp_sessions,
            sessions: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionId, OwnedSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session to close so that `owner` may begin one; `None` if there is room.
    ///
    /// # Errors
    /// `Full` if none of those that count is idle.
    fn to_close(&self, owner: &Identity) -> Result<Option<SessionId>, SessionError> {
        let sessions = self.locked();
        let is_own = |session: &&OwnedSession| session.owner == *owner;
        let is_owner_full =
            sessions.values().filter(is_own).count() >= (self.limit / CALLERS_SHARE).max(1);
        if !is_owner_full && sessions.len() < self.limit {
            return Ok(None);
        }
        let counts = |session: &OwnedSession| !is_owner_full || session.owner == *owner;
        let idle = sessions
            .iter()
            .filter(|(_, session)| session.open == 0 && counts(session));
        let oldest = idle.min_by_key(|(_, session)| session.used);
        oldest
            .map(|(id, _)| Some(id.clone()))
            .ok_or(SessionError::Full)
    }

    /// Notes that a request of a caller about a session begins. `None` if there is no such session.
    ///
    /// # Errors
    /// The answer to a caller whose session it is not: the same as if there were none.
    fn open(
        self: &Arc<Self>,
        id: &SessionId,
        caller: &Identity,
    ) -> Result<Option<OpenRequest>, Box<Response<Body>>> {
        let mut sessions = self.locked();
        let Some(session) = sessions.get_mut(id) else {
            return Ok(None);
        };
        if session.owner != *caller {
            let text = "there is no such MCP session of this caller; begin one with initialize\n";
            return Err(Box::new(plain(StatusCode::NOT_FOUND, text)));
        }
        session.open += 1;
        Ok(Some(OpenRequest {
            table: self.clone(),
            id: id.clone(),
        }))
    }

    fn forget(&self, id: &SessionId) {
        self.locked().remove(id);
        self.show_count();
    }

    fn show_count(&self) {
        gauge!("shim_mcp_sessions").set(self.locked().len() as f64);
    }
}

/// A request about a session, until its answer is sent whole.
struct OpenRequest {
    table: Arc<SessionTable>,
    id: SessionId,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(session) = self.table.locked().get_mut(&self.id) {
            session.open = session.open.saturating_sub(1);
            session.used = Instant::now();
        }
    }
}

/// Has rmcp answer a request of a caller: `handle` is its service.
pub(super) async fn answer<B, F>(
    table: &Arc<SessionTable>,
    caller: &Caller,
    request: Request<Body>,
    handle: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    F: Future<Output = Response<B>>,
{
    let open = match session_id(request.headers()).map(|id| table.open(&id, &caller.identity)) {
        Some(Ok(open)) => open,
        Some(Err(refused)) => return *refused,
        None => None,
    };
    let call = CurrentCall {
        caller: caller.identity.clone(),
        is_refused: Arc::default(),
    };
    let answer = CURRENT.scope(call.clone(), handle(request)).await;
    if call.is_refused.load(Ordering::Acquire) {
        return too_many_sessions(table.limit);
    }
    answer.map(|body| {
        Body::new(HeldBody {
            body: Box::pin(body),
            _open: open,
        })
    })
}

fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    Some(headers.get(SESSION_HEADER)?.to_str().ok()?.into())
}

fn too_many_sessions(limit: usize) -> Response<Body> {
    let own = (limit / CALLERS_SHARE).max(1);
    let mut response = refusal_response(&ServiceError {
        code: Code::ResourceExhausted,
        reason: OVERLOADED,
        message: format!(
            "all MCP sessions that there may be are at work, {limit} in all and {own} of one caller"
        ),
        remedy: Some(
            "end some with DELETE and their Mcp-Session-Id, or raise limits.mcp_sessions".into(),
        ),
        retry_after: Some(RETRY_AFTER),
    });
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// A body that keeps its session from being idle.
struct HeldBody<B> {
    body: Pin<Box<B>>,
    _open: Option<OpenRequest>,
}

impl<B: HttpBody> HttpBody for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl SessionManager for SessionTable {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let call = CURRENT.try_with(CurrentCall::clone).ok();
        let owner = call
            .as_ref()
            .map_or(Identity::Address(None), |call| call.caller.clone());
        let _turn = self.beginning.lock().await;
        let closed = self.to_close(&owner).inspect_err(|_| {
            if let Some(call) = &call {
                call.is_refused.store(true, Ordering::Release);
            }
        })?;
        if let Some(id) = closed {
            tracing::debug!(%id, "the MCP session that was idle for longest makes room");
            self.close_session(&id).await?;
        }
        let (id, transport) = self.inner.create_session().await?;
        let session = OwnedSession {
            owner,
            used: Instant::now(),
            open: 0,
        };
        self.locked().insert(id.clone(), session);
        self.show_count();
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        self.forget(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}
