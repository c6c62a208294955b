//! Sessions of the real Claude Code that are killed at random moments, half of them without any call of SHIM's tools. What is
//! known of each afterwards is compared with what its script did.

mod plan;
mod round;
mod verdict;

use std::time::Instant;

use crate::claude::{ClaudeLab, Observer, Window, WindowKind};
use crate::rng::SeededRng;
use crate::service::Launch;
use crate::temp_env::TempEnv;

use plan::Plan;
use round::Room;
pub use verdict::Verdict;

/// How large the panel is.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// Sessions to kill.
    pub rounds: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Kills the sessions, one after the other; tells of each. `None` where there is no real client.
pub async fn run(options: SuiteOptions, tell: impl Fn(&str)) -> Option<Verdict> {
    let temp = TempEnv::new();
    let lab = ClaudeLab::open(temp.root()).await?;
    let service = Launch::own_stack(&temp.data_dir()).start_or_panic().await;
    let installer = Window::new(&lab, "installer", WindowKind::Headless, &temp.project());
    installer.install_plugin(&temp.data_dir());
    let mut room = Room {
        observer: Observer::of(&service),
        temp,
        lab,
    };
    let mut rng = SeededRng::new(options.seed);
    let mut verdict = Verdict::new(options.seed);
    let begun = Instant::now();
    for number in 0..options.rounds {
        let plan = Plan::draw(number, &mut rng);
        let found = room.play(&plan).await;
        tell(&format!(
            "{number:3} {}: {}",
            plan.describe(),
            found.describe()
        ));
        verdict.add(&plan, &found);
    }
    verdict.seconds = begun.elapsed().as_secs_f64();
    Some(verdict)
}
