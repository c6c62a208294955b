//! A job as a tree that is drawn again and again until the job ends.
//!
//! One future follows the log and keeps the job current; another draws it when it changed, and every second for the
//! running times.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use shim_proto::coordination::v1::WatchTaskResponse;
use shim_render::text::one_line;
use tokio::sync::Notify;
use tonic::{Response, Status, Streaming};

use super::event_log::open;
use super::job::Job;
use super::tree::TreeLayout;
use super::worker_names::WorkerNames;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::event_stream::{EventStream, follow};
use crate::output::screen::Screen;
use crate::output::style::{Line, Style};
use crate::output::time::now;

/// The shortest time between two frames: a reader sees no faster change.
const FRAME: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_secs(1);

/// Draws the job until it has ended; its last frame stays.
///
/// # Errors
/// If the service refuses or the terminal is gone.
pub(super) async fn watch(
    service: &mut Coordination,
    job: Job,
    screen: Screen,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let task_id = job.root.task_id.clone();
    let view = RefCell::new(LiveView {
        job,
        connection_error: None,
    });
    let changed = Notify::new();
    let mut updater = LiveUpdater {
        service: service.clone(),
        task_id: task_id.clone(),
        view: &view,
        changed: &changed,
    };
    let mut renderer = Renderer {
        service: service.clone(),
        worker_names: WorkerNames::default(),
        screen,
        out,
    };
    tokio::select! {
        ended = follow(String::new(), &mut updater) => ended?,
        drawn = renderer.keep_drawing(&view, &changed) => match drawn? {},
    }
    let job = Job::read(service, &task_id).await?;
    renderer.worker_names.fetch(service, job.worker_ids()).await;
    renderer.draw(&LiveView {
        job,
        connection_error: None,
    })
}

/// What a frame shows.
struct LiveView {
    job: Job,
    /// Why the connection to the service is lost.
    connection_error: Option<String>,
}

/// Follows the log of the job and keeps the view current.
struct LiveUpdater<'a> {
    service: Coordination,
    task_id: String,
    view: &'a RefCell<LiveView>,
    changed: &'a Notify,
}

impl EventStream for LiveUpdater<'_> {
    type Event = WatchTaskResponse;
    type Position = String;

    async fn open(&self, after: String) -> Result<Response<Streaming<WatchTaskResponse>>, Status> {
        open(&self.service, &self.task_id, after).await
    }

    async fn on_event(&mut self, response: WatchTaskResponse) -> Result<Option<String>, CliError> {
        let mut view = self.view.borrow_mut();
        view.connection_error = None;
        if let Some(task) = response.task {
            view.job.apply(task);
        }
        self.changed.notify_one();
        Ok(response.event.map(|event| event.cursor))
    }

    fn on_disconnect(&mut self, why: &CliError) {
        self.view.borrow_mut().connection_error = Some(why.to_string());
        self.changed.notify_one();
    }

    fn is_complete(&self) -> bool {
        self.view.borrow().job.has_ended()
    }
}

/// Draws the view.
struct Renderer<'a> {
    service: Coordination,
    worker_names: WorkerNames,
    screen: Screen,
    out: &'a mut dyn Write,
}

impl Renderer<'_> {
    async fn keep_drawing(
        &mut self,
        view: &RefCell<LiveView>,
        changed: &Notify,
    ) -> Result<Infallible, CliError> {
        loop {
            let workers = {
                let view = view.borrow();
                view.connection_error
                    .is_none()
                    .then(|| view.job.worker_ids())
            };
            // Without the service no name can be read.
            if let Some(workers) = workers {
                self.worker_names.fetch(&mut self.service, workers).await;
            }
            self.draw(&view.borrow())?;
            tokio::time::sleep(FRAME).await;
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(TICK - FRAME) => {}
            }
        }
    }

    fn draw(&mut self, view: &LiveView) -> Result<(), CliError> {
        let footer = footer(view);
        let layout = TreeLayout {
            workers: self.worker_names.names(),
            now: now(),
            rows: self.screen.rows().saturating_sub(footer.len()),
        };
        let mut lines = layout.tree(&view.job);
        lines.extend(footer);
        self.screen.draw(&lines, self.out)?;
        Ok(())
    }
}

/// The lines below the tree while the job goes on.
fn footer(view: &LiveView) -> Vec<Line> {
    match &view.connection_error {
        Some(why) => {
            let why = format!("waiting for the service: {}", one_line(why, 200));
            vec![Line::default(), Line::default().with(Style::Yellow, why)]
        }
        None if view.job.has_ended() => Vec::new(),
        None => {
            let hint = "Ctrl-C ends this view; the job goes on.";
            vec![Line::default(), Line::default().with(Style::Dim, hint)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::coordination::v1::{Task, TaskState};

    #[test]
    fn a_lost_service_is_told_below_the_tree() {
        let mut view = LiveView {
            job: Job::default(),
            connection_error: Some("no connection".into()),
        };
        let footer_text = |view: &LiveView| {
            let lines = footer(view);
            lines.last().map(|line| line.render(80, false))
        };
        assert_eq!(
            footer_text(&view).as_deref(),
            Some("waiting for the service: no connection")
        );
        view.connection_error = None;
        assert!(footer_text(&view).is_some_and(|hint| hint.contains("Ctrl-C")));
        view.job.apply(Task {
            state: TaskState::Completed.into(),
            ..Task::default()
        });
        assert_eq!(footer_text(&view), None);
    }
}
