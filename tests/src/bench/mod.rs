//! The benchmarks: each figure beside its peer, measured in the same run, with the target it is held against.

mod analysis;
mod coordination;
mod curves;
mod figure;
mod gateway;
mod guard;
mod hooks;
mod idle;
mod lane;
mod latency;
mod machine;
mod mutants;
mod python_savers;
mod raw_commits;
mod recovery;
mod redaction;
mod saves;
mod soak;
mod status_line;
mod tasks;
mod telemetry;

pub use analysis::measure as measure_analysis;
pub use coordination::{measure as measure_coordination, measure_limits};
pub use curves::{Curve, Line, measure as measure_curves, print_curve, write_curve};
pub use figure::{Figure, print_table, write_json};
pub use gateway::measure as measure_gateway;
pub use guard::{Reference, read_reference, reference_path, slips, update_reference};
pub use hooks::measure as measure_hooks;
pub use idle::measure as measure_idle;
pub use mutants::measure as measure_mutants;
pub use redaction::measure as measure_redaction;
pub use soak::{Growth, Soak, measure as measure_soak, print_soak, write_soak};
pub use tasks::measure as measure_tasks;
pub use telemetry::measure as measure_telemetry;

use crate::service::Service;
use crate::temp_env::TempEnv;

/// The figures of the checkpoint service, telling `progress` what is being measured.
pub async fn measure_checkpoint(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("checkpoint").await];
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    figures.push(saves::idle_memory(&service));
    for state_bytes in [2 * 1024, 20 * 1024] {
        for in_flight in [1, 16, 64] {
            progress(&format!(
                "saves of {state_bytes} bytes, {in_flight} in flight"
            ));
            figures.extend(saves::measure(&service, temp.root(), state_bytes, in_flight).await);
        }
    }
    progress("saves of 16 Python processes");
    figures.extend(python_savers::measure(&service, temp.root()).await);
    drop(service);
    figures.extend(recovery::measure(&progress).await);
    figures
}
