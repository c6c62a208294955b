//! Mutants killed per minute: by a generation of tests, and by Stryker with the same tests over the same files. The packages come
//! from npm with their own tests; Stryker runs in a copy of its own.

mod package;
mod stryker;

use std::path::Path;
use std::time::{Duration, Instant};

use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::generate_tests_response::Event;
use shim_proto::evolution::v1::{
    ApproveEvolutionRequest, GenerateTestsRequest, TestGenerationReport, approve_evolution_response,
};
use shim_runtime::client::Channel;

use super::figure::Figure;
use super::machine;
use crate::calls::request_id;
use crate::node;
use crate::service::Launch;
use crate::temp_env::TempEnv;
use package::{PACKAGES, Package};

const SEED: u64 = 15;
const MINUTE: f64 = 60.0;

/// Mutants of each package, by both.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("mutants").await];
    for package in &PACKAGES {
        progress(&format!("{}: a generation and Stryker", package.name));
        figures.extend(of_package(package).await);
    }
    figures
}

/// A generation: what it reports, and how long it took as a whole and from its first mutant on.
struct Generated {
    report: TestGenerationReport,
    whole: Duration,
    from_mutants: Duration,
}

async fn of_package(package: &Package) -> Vec<Figure> {
    let temp = TempEnv::new();
    let project = temp.root().join("package");
    package.install(&project);
    node::share_evolution_tools(&temp.data_dir());
    let launch = Launch::evolution(&temp.data_dir())
        .env("SHIM_EVOLUTION_TRUSTED", &project.display().to_string());
    let service = launch.start_or_panic().await;
    let mut client = EvolutionServiceClient::new(service.channel());
    // The first call starts the tools, or installs them: no figure counts it.
    generate(&mut client, &project, 1).await;
    let ours = generate(&mut client, &project, 0).await;
    let evolution = ours
        .report
        .evolution
        .clone()
        .expect("there are tests to keep");
    let branch = approve(&mut client, &evolution.evolution_id).await;
    drop(service);
    let files = package.mutated(&ours.report);
    let copy = temp.root().join("stryker");
    package.checkout(&project, &branch, &copy);
    let theirs = stryker::mutate(package, &copy, &files);
    figures(package, &ours, &theirs)
}

fn figures(package: &Package, ours: &Generated, theirs: &stryker::Run) -> Vec<Figure> {
    let functions = &ours.report.functions;
    let made: u32 = functions.iter().map(|it| it.mutants).sum();
    let score = ours
        .report
        .after
        .as_ref()
        .map_or(0.0, |it| it.mutation_score);
    let killed = f64::from(made) * score.max(0.0);
    let per_minute = |killed: f64, span: Duration| killed * MINUTE / span.as_secs_f64();
    let name = |what: &str| format!("{}: {what}", package.name);
    let stryker = per_minute(theirs.killed, theirs.took);
    vec![
        Figure::new(name("mutants made"), f64::from(made), "").beside("Stryker", theirs.made),
        Figure::new(name("mutants killed by all tests"), killed.round(), "")
            .beside("Stryker", theirs.killed),
        Figure::new(
            name("killed per minute of the whole generation"),
            per_minute(killed, ours.whole),
            "/min",
        )
        .beside("Stryker", stryker),
        Figure::new(
            name("killed per minute from the first mutant on"),
            per_minute(killed, ours.from_mutants),
            "/min",
        )
        .beside("Stryker", stryker),
        Figure::new(name("whole run"), ours.whole.as_secs_f64(), "s")
            .beside("Stryker", theirs.took.as_secs_f64()),
    ]
}

/// Makes tests for at most so many functions; 0 for the usual number.
async fn generate(
    client: &mut EvolutionServiceClient<Channel>,
    project: &Path,
    max_functions: u32,
) -> Generated {
    let request = GenerateTestsRequest {
        request_id: request_id(),
        path: project.display().to_string(),
        max_functions,
        seed: SEED,
        ..GenerateTestsRequest::default()
    };
    let began = Instant::now();
    let mut first_mutant = None;
    let answer = client.generate_tests(request).await;
    let mut stream = answer.expect("tests are made").into_inner();
    while let Some(message) = stream.message().await.expect("the generation goes on") {
        match message.event {
            Some(Event::Progress(step)) if step.stage == "mutants" => {
                first_mutant.get_or_insert_with(Instant::now);
            }
            Some(Event::Report(report)) => {
                return Generated {
                    report,
                    whole: began.elapsed(),
                    from_mutants: first_mutant.unwrap_or(began).elapsed(),
                };
            }
            _ => {}
        }
    }
    panic!("the generation ended without a report");
}

/// The branch that the new tests are committed on.
async fn approve(client: &mut EvolutionServiceClient<Channel>, evolution_id: &str) -> String {
    let request = ApproveEvolutionRequest {
        request_id: request_id(),
        evolution_id: evolution_id.to_owned(),
        approve: true,
        ..ApproveEvolutionRequest::default()
    };
    let answer = client.approve_evolution(request).await;
    let mut stream = answer.expect("it is a proposal").into_inner();
    while let Some(message) = stream.message().await.expect("the approval goes on") {
        if let Some(approve_evolution_response::Event::Evolution(evolution)) = message.event {
            assert!(!evolution.branch.is_empty(), "{}", evolution.reason);
            return evolution.branch;
        }
    }
    panic!("the approval ended without a verdict");
}
