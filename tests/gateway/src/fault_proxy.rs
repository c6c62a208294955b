//! A link between a gateway and a service: it forwards every call, records it, and breaks down as a story wants.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use prost::Message;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::waiting::within;

/// How a link treats the calls that come.
#[derive(Debug, Clone, Default)]
pub enum FaultMode {
    /// Every call is forwarded.
    #[default]
    Healthy,
    /// Calls are taken, and go on when the mode changes.
    Frozen,
    /// Every call is answered with this, and the service never sees it.
    Refusing(Status),
}

#[derive(Default)]
struct State {
    mode: FaultMode,
    /// The next answers to be lost: the method, and the status that its caller gets instead.
    lost_answers: Vec<(&'static str, Status)>,
    calls: Vec<Call>,
    /// What was said, with the method it was said to.
    messages: Vec<(String, Bytes)>,
}

struct Call {
    method: String,
    traceparent: Option<String>,
}

/// A link that can be recorded, frozen and broken. Dropping it breaks it.
pub struct FaultProxy {
    link: Link,
    socket: PathBuf,
    target: PathBuf,
    /// A runtime of its own, so that breaking it takes its connections along, as killing a process does.
    running: Option<Runtime>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.kill();
    }
}

impl FaultProxy {
    /// A link from `socket`, which is made, to the server at `target`.
    #[must_use]
    pub fn start(socket: PathBuf, target: &Path) -> Self {
        let mut proxy = Self {
            link: Link::default(),
            socket,
            target: target.to_owned(),
            running: None,
        };
        proxy.resume();
        proxy
    }

    /// The socket to connect to instead of the server's.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Breaks all connections and refuses new ones.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }

    /// Takes connections again.
    ///
    /// # Panics
    /// If the socket cannot be bound.
    pub fn resume(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let _ = std::fs::remove_file(&self.socket);
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&self.socket).unwrap()
        };
        runtime.spawn(serve(listener, self.target.clone(), self.link.clone()));
        self.running = Some(runtime);
    }

    /// How calls are treated from now on.
    pub fn set_mode(&self, mode: FaultMode) {
        self.link.change(|state| state.mode = mode);
    }

    /// The next call of `method` is done by the service, and then its caller gets `status` instead of the answer.
    pub fn lose_answer(&self, method: &'static str, status: Status) {
        self.link
            .change(|state| state.lost_answers.push((method, status)));
    }

    /// How many calls of `method` came.
    #[must_use]
    pub fn calls(&self, method: &str) -> usize {
        let state = self.link.lock();
        let calls = state.calls.iter();
        calls.filter(|call| call.method == method).count()
    }

    /// The trace contexts that came with the calls of `method`.
    #[must_use]
    pub fn traces(&self, method: &str) -> Vec<String> {
        let state = self.link.lock();
        let calls = state.calls.iter().filter(|call| call.method == method);
        calls.filter_map(|call| call.traceparent.clone()).collect()
    }

    /// What was said to `method`, as far as it was forwarded.
    ///
    /// # Panics
    /// If `T` is not the message of that method.
    #[must_use]
    pub fn requests<T: Message + Default>(&self, method: &str) -> Vec<T> {
        let state = self.link.lock();
        let messages = state.messages.iter().filter(|(to, _)| to == method);
        messages
            .map(|(_, message)| T::decode(message.clone()).unwrap())
            .collect()
    }

    /// Waits until it is so; looked at after every call and every message.
    ///
    /// # Panics
    /// If it does not become so in time.
    pub async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.link.changes.subscribe();
        within(async {
            while !is_so(self) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }
}

/// What the calls of a link share.
#[derive(Clone)]
struct Link {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<()>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changes.send_replace(());
    }

    /// The mode as soon as calls go on.
    async fn mode(&self) -> FaultMode {
        let mut changes = self.changes.subscribe();
        loop {
            let mode = self.lock().mode.clone();
            if !matches!(mode, FaultMode::Frozen) || changes.changed().await.is_err() {
                return mode;
            }
        }
    }

    fn take_lost_answer(&self, method: &str) -> Option<Status> {
        let lost = &mut self.lock().lost_answers;
        let at = lost.iter().position(|(of, _)| *of == method)?;
        Some(lost.remove(at).1)
    }

    async fn forward(self, target: Channel, request: Request<axum::body::Body>) -> Response<Body> {
        let path = request.uri().path();
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        let traceparent = request.headers().get("traceparent");
        let traceparent = traceparent.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        self.change(|state| {
            let method = method.clone();
            state.calls.push(Call {
                method,
                traceparent,
            });
        });
        if let FaultMode::Refusing(status) = self.mode().await {
            return status.into_http();
        }
        let (link, to) = (self.clone(), method.clone());
        let request = request.map(|body| {
            Body::new(Recorder::new(body, move |message| {
                link.change(|state| state.messages.push((to.clone(), message)));
            }))
        });
        let answer = target.oneshot(request).await;
        if let Some(status) = self.take_lost_answer(&method) {
            return status.into_http();
        }
        answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http())
    }
}

async fn serve(listener: UnixListener, target: PathBuf, link: Link) {
    let target = Endpoint::try_from(format!("unix://{}", target.display())).unwrap();
    let target = target.connect_lazy();
    let forward = service_fn(move |request| {
        let forwarded = link.clone().forward(target.clone(), request);
        async { Ok::<_, Infallible>(forwarded.await) }
    });
    let routes = Routes::from(Router::new().fallback_service(forward));
    let connections = UnixListenerStream::new(listener);
    let server = Server::builder().add_routes(routes);
    server.serve_with_incoming(connections).await.unwrap();
}
