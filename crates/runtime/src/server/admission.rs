//! Who may call, what, and how often: asked before anything of a call is read. What was shown goes along with the call,
//! as its [`Standing`].

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::peer;
use super::standing::Standing;
use crate::auth::{Auth, Caller, Pass, roles};
use crate::fault::Fault;
use crate::limits::{Limiter, Limits, Meter};
use crate::watched::{Watch, data_bytes, watched};

/// Everything asked of a call.
pub(super) struct Admission {
    auth: Auth,
    limiter: Limiter,
}

impl Admission {
    pub(super) fn new(auth: Auth, limits: Limits) -> Self {
        Self {
            auth,
            limiter: Limiter::new(limits),
        }
    }

    /// Lets a call in, its bytes counted to its caller.
    pub(super) fn admit(
        &self,
        request: Request<Body>,
    ) -> Result<(Request<Body>, Standing), Status> {
        let (caller, pass) = self.caller(&request)?;
        let standing = Standing::new(&self.auth, pass);
        let request = match self.limiter.admit(&caller, Instant::now())? {
            Some(meter) => request.map(|body| watched(body, Metered(meter))),
            None => request,
        };
        Ok((request, standing))
    }

    /// Health checks pass without a token: an orchestrator has none.
    fn caller(&self, request: &Request<Body>) -> Result<(Caller, Option<Pass>), Fault> {
        let path = request.uri().path();
        let peer = peer::of(request);
        if path.starts_with("/grpc.health.v1.Health/") {
            return Ok((Caller::anybody(peer), None));
        }
        let shown = request
            .headers()
            .get(http::header::AUTHORIZATION)
            .map(http::HeaderValue::as_bytes);
        let caller = self.auth.identify(shown, peer, SystemTime::now())?;
        let needed = roles::needed(path);
        caller.allow(needed, path)?;
        let pass = caller.pass(needed);
        Ok((caller, pass))
    }
}

/// Counts the bytes of a request to its caller.
struct Metered(Meter);

impl Watch for Metered {
    fn passes(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        match data_bytes(next) {
            Some(bytes) => Ok(self.0.take(bytes, Instant::now())?),
            None => Ok(()),
        }
    }
}
