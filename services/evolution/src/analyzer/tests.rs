//! Analyses over real tools.

mod caching;
mod large;
mod linting;
mod parts;
mod story;
mod warm;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalysisReport, Finding, ToolRun};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tool_host::ProgressSink;
use crate::tool_host::test_host::{TestHost, Trust};

/// A project in a folder of its own, with the real tools.
struct Bench {
    tools: TestHost,
    context: AnalyzerContext,
    root: PathBuf,
}

/// What an analysis gave.
struct Analysis {
    report: AnalysisReport,
    first_picture: Option<AnalysisReport>,
    findings: Vec<Finding>,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let tools = TestHost::installed();
        let root = tools.path("project");
        std::fs::create_dir_all(&root).unwrap();
        let context =
            AnalyzerContext::open(tools.host(), Arc::clone(&tools.groups), &tools.path("data"))
                .unwrap();
        let bench = Self {
            tools,
            context,
            root,
        };
        for (path, text) in files {
            bench.write(path, text);
        }
        bench
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Forgets what is in memory, as another process would not know it.
    fn restart(&mut self) {
        let groups = Arc::clone(&self.tools.groups);
        self.context =
            AnalyzerContext::open(self.tools.host(), groups, &self.tools.path("data")).unwrap();
    }

    /// The folder with the tools' packages.
    async fn packages(&self) -> PathBuf {
        let (progress, cancel) = (ProgressSink::none(), CancellationToken::new());
        let folder = self.context.host.tools_dir(&progress, &cancel).await;
        folder.unwrap().join("node_modules")
    }

    /// Lets the project find a package of the tools as one of its own.
    async fn link(&self, package: &str) {
        let link = self.root.join("node_modules").join(package);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(self.packages().await.join(package), link).unwrap();
    }

    async fn analyze(&self, is_trusted: bool) -> Analysis {
        let options = AnalysisOptions {
            with_findings: true,
            limit: 20,
            ..AnalysisOptions::default()
        };
        self.analyze_with(is_trusted, options).await.unwrap()
    }

    async fn analyze_with(
        &self,
        is_trusted: bool,
        options: AnalysisOptions,
    ) -> Result<Analysis, EvolutionError> {
        let project = Project::open(&self.root, &[], &Trust(is_trusted)).await?;
        let (sender, mut events) = mpsc::channel(1_000);
        let cancel = CancellationToken::new();
        let collect = async {
            let (mut first_picture, mut findings) = (None, Vec::new());
            while let Some(event) = events.recv().await {
                match event {
                    Event::FirstPicture(picture) => first_picture = Some(picture),
                    Event::Findings(page) => findings.extend(page.findings),
                    Event::Progress(_) | Event::Report(_) => {}
                }
            }
            (first_picture, findings)
        };
        let (report, (first_picture, findings)) = tokio::join!(
            analyze(&self.context, &project, options, sender, &cancel),
            collect
        );
        Ok(Analysis {
            report: report?,
            first_picture,
            findings,
        })
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(&self.root).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.test",
        ]);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
}

impl Analysis {
    fn tool(&self, name: &str) -> &ToolRun {
        let run = self.report.tools.iter().find(|run| run.tool == name);
        run.unwrap_or_else(|| panic!("{name} is not in {:?}", self.report.tools))
    }

    /// Files that ESLint looked at, without those from the cache.
    fn linted(&self) -> u64 {
        let run = self.tool("eslint");
        run.files - run.cached_files
    }

    fn of<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.tool.starts_with(&format!("{tool} ")))
    }

    fn notes(&self) -> String {
        self.report.notes.join("\n")
    }

    fn unread(&self) -> Vec<(String, String)> {
        let files = self.report.unread_files.iter();
        files
            .map(|file| {
                (
                    file.path.clone(),
                    file.tool.split(' ').next().unwrap_or_default().to_owned(),
                )
            })
            .collect()
    }
}

fn path_of(finding: &Finding) -> &str {
    finding
        .location
        .as_ref()
        .map_or("", |location| location.path.as_str())
}
