//! A job as a tree that is drawn again and again until the job ends.
//!
//! One future follows the log and keeps the job current; another draws it when it changed, and every second for the
//! running times.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::WatchTaskResponse;
use tokio::sync::Notify;
use tonic::{Response, Status, Streaming};

use super::crew::Crew;
use super::job::Job;
use super::tree::Drawing;
use super::watch::open;
use crate::connection::Coordination;
use crate::failure::Failure;
use crate::follow::{Followed, follow};
use crate::output::ink::{Ink, Line};
use crate::output::screen::Screen;
use crate::output::text::one_line;

/// Faster than this nobody reads.
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
) -> Result<(), Failure> {
    let task_id = job.root.task_id.clone();
    let scene = RefCell::new(Scene { job, trouble: None });
    let changed = Notify::new();
    let mut log = Log {
        service: service.clone(),
        task_id: task_id.clone(),
        scene: &scene,
        changed: &changed,
    };
    let mut painter = Painter {
        service: service.clone(),
        crew: Crew::default(),
        screen,
        out,
    };
    tokio::select! {
        ended = follow(String::new(), &mut log) => ended?,
        drawn = painter.keep_drawing(&scene, &changed) => match drawn? {},
    }
    let job = Job::read(service, &task_id).await?;
    painter.crew.learn(service, job.worker_ids()).await;
    painter.draw(&Scene { job, trouble: None })
}

/// What is drawn.
struct Scene {
    job: Job,
    /// Why the service cannot be heard.
    trouble: Option<String>,
}

/// The log of the job, which keeps the scene current.
struct Log<'a> {
    service: Coordination,
    task_id: String,
    scene: &'a RefCell<Scene>,
    changed: &'a Notify,
}

impl Followed for Log<'_> {
    type Event = WatchTaskResponse;
    type Position = String;

    async fn open(&self, after: String) -> Result<Response<Streaming<WatchTaskResponse>>, Status> {
        open(&self.service, &self.task_id, after).await
    }

    async fn hear(&mut self, told: WatchTaskResponse) -> Result<Option<String>, Failure> {
        let mut scene = self.scene.borrow_mut();
        scene.trouble = None;
        if let Some(task) = told.task {
            scene.job.apply(task);
        }
        self.changed.notify_one();
        Ok(told.event.map(|event| event.cursor))
    }

    fn lost(&mut self, why: &Failure) {
        self.scene.borrow_mut().trouble = Some(why.to_string());
        self.changed.notify_one();
    }

    fn is_told(&self) -> bool {
        self.scene.borrow().job.has_ended()
    }
}

/// Who draws.
struct Painter<'a> {
    service: Coordination,
    crew: Crew,
    screen: Screen,
    out: &'a mut dyn Write,
}

impl Painter<'_> {
    async fn keep_drawing(
        &mut self,
        scene: &RefCell<Scene>,
        changed: &Notify,
    ) -> Result<Infallible, Failure> {
        loop {
            let workers = {
                let scene = scene.borrow();
                scene.trouble.is_none().then(|| scene.job.worker_ids())
            };
            // Without the service there is nobody to ask.
            if let Some(workers) = workers {
                self.crew.learn(&mut self.service, workers).await;
            }
            self.draw(&scene.borrow())?;
            tokio::time::sleep(FRAME).await;
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(TICK - FRAME) => {}
            }
        }
    }

    fn draw(&mut self, scene: &Scene) -> Result<(), Failure> {
        let footer = footer(scene);
        let drawing = Drawing {
            workers: self.crew.names(),
            now: SystemTime::now(),
            rows: self.screen.rows().saturating_sub(footer.len()),
        };
        let mut lines = drawing.tree(&scene.job);
        lines.extend(footer);
        self.screen.draw(&lines, self.out)?;
        Ok(())
    }
}

/// What stands below the tree while it changes.
fn footer(scene: &Scene) -> Vec<Line> {
    match &scene.trouble {
        Some(why) => {
            let why = format!("waiting for the service: {}", one_line(why, 200));
            vec![Line::default(), Line::default().with(Ink::Yellow, why)]
        }
        None if scene.job.has_ended() => Vec::new(),
        None => {
            let hint = "Ctrl-C ends this view; the job goes on.";
            vec![Line::default(), Line::default().with(Ink::Dim, hint)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::coordination::v1::{Task, TaskState};

    #[test]
    fn a_lost_service_is_told_below_the_tree() {
        let mut scene = Scene {
            job: Job::default(),
            trouble: Some("no connection".into()),
        };
        let told = |scene: &Scene| {
            let lines = footer(scene);
            lines.last().map(|line| line.render(80, false))
        };
        assert_eq!(
            told(&scene).as_deref(),
            Some("waiting for the service: no connection")
        );
        scene.trouble = None;
        assert!(told(&scene).is_some_and(|hint| hint.contains("Ctrl-C")));
        scene.job.apply(Task {
            state: TaskState::Completed.into(),
            ..Task::default()
        });
        assert_eq!(told(&scene), None);
    }
}
