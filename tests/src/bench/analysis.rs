//! The analysis of a project of 2,000 files beside the `eslint` command with the same configuration and its usual settings (one
//! thread), in pairs: one run of each, in turns first.

mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{AnalysisReport, AnalyzeWorkflowRequest, ToolRun};
use shim_runtime::client::Channel;

use super::figure::Figure;
use super::machine;
use crate::process;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

const PAIRS: usize = 3;
const CHANGES: usize = 9;
const HOST_MIB: f64 = 700.0;

/// What one analysis took, in milliseconds.
struct Timed {
    first_picture: Option<f64>,
    whole: f64,
    report: AnalysisReport,
}

/// First picture, cold and repeated analyses, one changed file, and the memory of the host.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("analysis").await];
    let temp = TempEnv::new();
    let project = temp.root().join("corpus");
    corpus::write(&project);
    let tools = install(&temp, &project).await;
    link(&project, &tools);
    let mut cold = Vec::new();
    for pair in 0..PAIRS {
        progress(&format!("cold analysis and eslint, pair {pair}"));
        forget(&temp);
        cold.push(Pair::run(pair, &temp.data_dir(), &project, &tools).await);
    }
    figures.extend(cold_figures(&cold));
    progress("repeated analyses");
    let eslint_cold = median(cold.iter().map(|pair| pair.eslint).collect());
    figures.extend(repeated(&temp, &project, &tools, eslint_cold).await);
    figures
}

/// A cold analysis and a run of `eslint`.
struct Pair {
    analysis: Timed,
    eslint: f64,
    /// Of all processes of the service that live after its analysis.
    host_mib: f64,
}

impl Pair {
    async fn run(number: usize, data_dir: &Path, project: &Path, tools: &Path) -> Self {
        let before = (number % 2 == 1).then(|| eslint(project, tools, &[]));
        let service = start(data_dir, project).await;
        let analysis = analyze(&service, project).await;
        let host_mib = peak_mib(&service);
        drop(service);
        Self {
            analysis,
            eslint: before.unwrap_or_else(|| eslint(project, tools, &[])),
            host_mib,
        }
    }
}

/// The most memory that the processes which a service started have had, all of them together.
fn peak_mib(service: &Service) -> f64 {
    let started = process::children(service.pid()).into_iter();
    let bytes: u64 = started
        .flat_map(descendants)
        .map(process::peak_resident_bytes)
        .sum();
    #[allow(clippy::cast_precision_loss)]
    let mib = bytes as f64 / f64::from(1 << 20);
    mib
}

fn cold_figures(cold: &[Pair]) -> Vec<Figure> {
    let last = cold.last().expect("there is a pair");
    let failures: Vec<&str> = last
        .analysis
        .report
        .tools
        .iter()
        .map(|run| run.failure.as_str())
        .filter(|failure| !failure.is_empty())
        .collect();
    assert!(failures.is_empty(), "{failures:?}");
    let of = |figure: fn(&Pair) -> f64| median(cold.iter().map(figure).collect());
    let pictures = cold.iter().filter_map(|pair| pair.analysis.first_picture);
    let first = median(pictures.collect());
    let ratio = of(|pair| pair.analysis.whole / pair.eslint);
    let memory = cold.iter().map(|pair| pair.host_mib).fold(0.0, f64::max);
    let mut figures = vec![
        Figure::new("first picture, cold", first, "ms").at_most(1_500.0),
        Figure::new("whole analysis, cold", of(|pair| pair.analysis.whole), "ms")
            .beside("eslint", of(|pair| pair.eslint))
            .target("<= 1.2x eslint, median of the pairs", ratio <= 1.2),
        Figure::new("memory of the tool host, peak", memory, "MiB").at_most(HOST_MIB),
    ];
    figures.extend(last.analysis.report.tools.iter().map(|run| {
        let name = format!("{} of the last cold analysis", run.tool);
        Figure::new(name, milliseconds_of(run), "ms")
    }));
    figures
}

/// What a tool took in an analysis.
fn milliseconds_of(run: &ToolRun) -> f64 {
    let span = run.duration.unwrap_or_default();
    let span = Duration::try_from(span).unwrap_or_default();
    span.as_secs_f64() * 1_000.0
}

async fn repeated(temp: &TempEnv, project: &Path, tools: &Path, eslint_cold: f64) -> Vec<Figure> {
    let service = start(&temp.data_dir(), project).await;
    let cache = temp.root().join("eslintcache");
    let flags = [
        "--cache".to_owned(),
        "--cache-location".to_owned(),
        cache.display().to_string(),
    ];
    eslint(project, tools, &flags);
    let eslint_warm = median((0..PAIRS).map(|_| eslint(project, tools, &flags)).collect());
    let after_restart = analyze(&service, project).await;
    let mut same = Vec::new();
    for _ in 0..CHANGES {
        same.push(analyze(&service, project).await.whole);
    }
    let same = median(same);
    // The first change starts the host.
    change(project, 0);
    let first_change = analyze(&service, project).await.whole;
    let mut changed = Vec::new();
    for at in 1..=CHANGES {
        change(project, at);
        changed.push(analyze(&service, project).await.whole);
    }
    let memory = peak_mib(&service);
    vec![
        Figure::new("unchanged, after a restart", after_restart.whole, "ms"),
        Figure::new("unchanged", same, "ms")
            .beside("eslint, cold", eslint_cold)
            .target("<= 1/50 of eslint cold", same * 50.0 <= eslint_cold),
        Figure::new("unchanged", same, "ms")
            .beside("eslint --cache", eslint_warm)
            .target("<= 1/5 of eslint --cache", same * 5.0 <= eslint_warm),
        Figure::new("one changed file, host started for it", first_change, "ms"),
        Figure::new("one changed file", median(changed), "ms").at_most(150.0),
        Figure::new("memory of the tool host after those, peak", memory, "MiB").at_most(HOST_MIB),
    ]
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        all.extend(process::children(pid));
        at += 1;
    }
    all
}

fn change(project: &Path, at: usize) {
    let file = project.join("src/m0007/a.js");
    let text = std::fs::read_to_string(&file).expect("the corpus has it");
    std::fs::write(&file, format!("{text}export const change{at} = {at};\n"))
        .expect("the corpus is writable");
}

async fn start(data_dir: &Path, project: &Path) -> Service {
    let launch =
        Launch::evolution(data_dir).env("SHIM_EVOLUTION_TRUSTED", &project.display().to_string());
    launch.start_or_panic().await
}

/// Installs the tools by a first call, which no figure counts.
async fn install(temp: &TempEnv, project: &Path) -> PathBuf {
    let service = start(&temp.data_dir(), project).await;
    let small = temp.project();
    std::fs::write(small.join("a.js"), "a();\n").expect("the home is writable");
    analyze(&service, &small).await;
    let folders = std::fs::read_dir(tools_root(temp)).expect("the tools are installed");
    let mut folders = folders
        .flatten()
        .map(|entry| entry.path().join("node_modules"));
    folders
        .find(|folder| folder.join("eslint").is_dir())
        .expect("eslint is one of the tools")
}

/// Removes what earlier analyses left, but for the installed tools.
fn forget(temp: &TempEnv) {
    std::fs::remove_dir_all(temp.data_dir().join("evolution")).expect("there was an analysis");
}

fn tools_root(temp: &TempEnv) -> PathBuf {
    temp.data_dir().join("tools")
}

/// The configuration of the corpus finds its packages as those of the project.
fn link(project: &Path, tools: &Path) {
    let modules = project.join("node_modules");
    std::fs::create_dir_all(modules.join("@eslint")).expect("the corpus is writable");
    for package in ["@eslint/js", "typescript-eslint"] {
        std::os::unix::fs::symlink(tools.join(package), modules.join(package))
            .expect("the corpus is new");
    }
}

fn eslint(project: &Path, tools: &Path, flags: &[String]) -> f64 {
    let started = Instant::now();
    let program = tools.join("eslint/bin/eslint.js");
    let output = Command::new("node")
        .current_dir(project)
        .arg(program)
        .args(["-f", "json", "."])
        .args(flags)
        .output();
    let output = output.expect("node is on PATH");
    assert!(
        output.stdout.starts_with(b"["),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    milliseconds(started)
}

async fn analyze(service: &Service, project: &Path) -> Timed {
    let mut client: EvolutionServiceClient<Channel> =
        EvolutionServiceClient::new(service.channel()).max_decoding_message_size(usize::MAX);
    let request = AnalyzeWorkflowRequest {
        path: project.display().to_string(),
        ..AnalyzeWorkflowRequest::default()
    };
    let started = Instant::now();
    let mut events = client
        .analyze_workflow(request)
        .await
        .expect("the project is analyzed")
        .into_inner();
    let mut first_picture = None;
    while let Some(message) = events.message().await.expect("the analysis goes on") {
        match message.event {
            Some(Event::FirstPicture(_)) => first_picture = Some(milliseconds(started)),
            Some(Event::Report(report)) => {
                return Timed {
                    first_picture,
                    whole: milliseconds(started),
                    report,
                };
            }
            _ => {}
        }
    }
    panic!("the analysis ended without a report");
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
