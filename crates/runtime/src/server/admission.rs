//! Authentication, role and rate of a call, checked before anything of its body is read. The token goes along with the
//! call, as its [`RevocationWatch`].

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::peer;
use super::revocation::RevocationWatch;
use crate::auth::{self, Auth, AuthGrant, Caller, roles};
use crate::body_hook::{BodyHook, data_bytes, with_hook};
use crate::limits::{ByteMeter, Limiter, Limits};
use crate::service_error::ServiceError;

/// The checks of a call.
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

    /// Lets a call in; its bytes count for its caller, who goes along with it.
    pub(super) fn admit(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Request<Body>, RevocationWatch), Status> {
        let (caller, grant) = self.caller(&request)?;
        let revocation = RevocationWatch::new(&self.auth, grant);
        let meter = self.limiter.admit(&caller, Instant::now())?;
        request.extensions_mut().insert(caller);
        let request = match meter {
            Some(meter) => request.map(|body| with_hook(body, MeteredBody(meter))),
            None => request,
        };
        Ok((request, revocation))
    }

    /// Health checks pass without a token: an orchestrator has none.
    fn caller(&self, request: &Request<Body>) -> Result<(Caller, Option<AuthGrant>), ServiceError> {
        let path = request.uri().path();
        let peer = peer::of(request);
        if path.starts_with("/grpc.health.v1.Health/") {
            return Ok((Caller::anonymous(peer), None));
        }
        let shown = auth::shown(request.headers());
        let caller = self.auth.authenticate(shown, peer, SystemTime::now())?;
        let needed = roles::needed(path);
        caller.authorize(needed, path)?;
        let grant = caller.grant(needed);
        Ok((caller, grant))
    }
}

/// Counts the bytes of a request for its caller.
struct MeteredBody(ByteMeter);

impl BodyHook for MeteredBody {
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        match data_bytes(next) {
            Some(bytes) => Ok(self.0.take(bytes, Instant::now())?),
            None => Ok(()),
        }
    }
}
