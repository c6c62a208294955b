//! A stack with its plugin in the client's folder, and what it knows of the client's conversations.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use shim_proto::checkpoint::v1::{RecoveryCandidate, Session, SessionStatus};
use shim_tests::claude::{ClaudeLab, Observer, Window, WindowKind};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

/// For what comes a moment later.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Only what never comes takes so many.
const MAX_POLLS: usize = 1_500;

pub(super) struct ObservedStack {
    pub(super) temp: TempEnv,
    pub(super) lab: ClaudeLab,
    pub(super) service: Service,
    pub(super) observer: Observer,
}

impl ObservedStack {
    /// `None` where there is no real client.
    pub(super) async fn open() -> Option<Self> {
        let temp = TempEnv::new();
        let lab = ClaudeLab::open(temp.root()).await?;
        // Hooks and gateways reach it over its socket, which is not of the namespace.
        let service = Launch::own_stack(&temp.data_dir()).start_or_panic().await;
        let observer = Observer::of(&service);
        let stack = Self {
            temp,
            lab,
            service,
            observer,
        };
        stack
            .window("first", WindowKind::Headless)
            .install_plugin(&stack.temp.data_dir());
        Some(stack)
    }

    pub(super) fn project(&self) -> std::path::PathBuf {
        self.temp.project()
    }

    pub(super) fn window(&self, name: &str, kind: WindowKind) -> Window {
        self.window_at(name, kind, &self.temp.project())
    }

    pub(super) fn window_at(&self, name: &str, kind: WindowKind, project: &Path) -> Window {
        Window::new(&self.lab, name, kind, project)
    }

    /// The session of the conversation that a request to the model was of, once it stands so.
    pub(super) async fn session(&mut self, turn: &Value, wanted: SessionStatus) -> Session {
        let conversation = turn["conversation"].as_str().unwrap().to_owned();
        let mut found = None;
        for _ in 0..MAX_POLLS {
            found = self.observer.session(&conversation).await;
            if let Some(session) = found.take_if(|it| it.status() == wanted) {
                return session;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        panic!("the session of {conversation} is not {wanted:?}: {found:#?}");
    }

    /// The sessions that are offered to whoever begins in the project.
    pub(super) async fn offered(&mut self) -> Vec<RecoveryCandidate> {
        let project = self.temp.project();
        self.observer.offered(&project).await
    }
}
