//! Paths that lead elsewhere than projects may lie, or to what is no project, in every call that takes one. Nothing of this needs
//! Node, and nothing is left behind.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    AnalyzeWorkflowRequest, EvolveCodeRequest, GenerateTestsRequest, ListEvolutionsRequest,
    ListPatternsRequest, TrustProjectRequest,
};
use shim_runtime::client::Channel;
use shim_runtime::git;
use shim_runtime::service_error::{DecodedStatus, decode};
use shim_tests::calls::request_id;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status, Streaming};

const MANIFEST: &str = r#"{"name": "p", "scripts": {"test": "node --test"}}"#;

/// A service that may work in one folder, which has a project and links.
struct Fixture {
    temp: TempEnv,
    _service: Service,
    client: EvolutionServiceClient<Channel>,
}

impl Fixture {
    async fn start() -> Self {
        let temp = TempEnv::new();
        let fixture = |path: &str| temp.root().join(path);
        for (path, text) in [
            ("inside/p/package.json", MANIFEST),
            ("inside/p/a.js", "exports.f = (a) => a;\n"),
            ("outside/package.json", MANIFEST),
            ("outside/t.js", "module.exports = (file) => file.source;\n"),
        ] {
            std::fs::create_dir_all(fixture(path).parent().unwrap()).unwrap();
            std::fs::write(fixture(path), text).unwrap();
        }
        symlink(fixture("outside"), fixture("inside/link")).unwrap();
        symlink(fixture("outside/t.js"), fixture("inside/t.js")).unwrap();
        symlink(fixture("outside"), fixture("inside/p/link")).unwrap();
        symlink("loop", fixture("inside/loop")).unwrap();
        commit(&fixture("inside/p"));
        let inside = fixture("inside").display().to_string();
        let launch = Launch::evolution(&temp.data_dir())
            .env("SHIM_EVOLUTION_ROOTS", &inside)
            .env("SHIM_EVOLUTION_TRUSTED", &inside);
        let service = launch.start_or_panic().await;
        Self {
            client: EvolutionServiceClient::new(service.channel()),
            _service: service,
            temp,
        }
    }

    fn at(&self, path: &str) -> String {
        self.temp.root().join(path).display().to_string()
    }

    /// How each call that takes a path ends for this one, by the call's name.
    async fn ends(&self, path: &str, include: &[&str]) -> Vec<(&'static str, DecodedStatus)> {
        let mut client = self.client.clone();
        let path = self.at(path);
        let include: Vec<String> = include.iter().map(|&it| it.to_owned()).collect();
        let analyze = AnalyzeWorkflowRequest {
            path: path.clone(),
            include: include.clone(),
            ..AnalyzeWorkflowRequest::default()
        };
        let evolve = EvolveCodeRequest {
            request_id: request_id(),
            path: path.clone(),
            include: include.clone(),
            ..EvolveCodeRequest::default()
        };
        let generate = GenerateTestsRequest {
            request_id: request_id(),
            path: path.clone(),
            include: include.clone(),
            ..GenerateTestsRequest::default()
        };
        let mut ends = vec![
            ("analyze", end(client.analyze_workflow(analyze).await).await),
            ("evolve", end(client.evolve_code(evolve).await).await),
            ("generate", end(client.generate_tests(generate).await).await),
        ];
        if include.is_empty() {
            let trust = TrustProjectRequest {
                request_id: request_id(),
                path,
                trust: true,
            };
            let refused = client.trust_project(trust).await.unwrap_err();
            ends.push(("trust", decode(&refused)));
        }
        ends
    }

    async fn custom(&self, transform: &str) -> DecodedStatus {
        let evolve = EvolveCodeRequest {
            request_id: request_id(),
            path: self.at("inside/p"),
            custom_transform: self.at(transform),
            ..EvolveCodeRequest::default()
        };
        end(self.client.clone().evolve_code(evolve).await).await
    }

    fn assert_nothing_is_left(&self) {
        let root = PathBuf::from(self.at("inside/p"));
        let said = git::command(&root).args(["status", "--porcelain"]).output();
        assert_eq!(String::from_utf8_lossy(&said.unwrap().stdout), "");
        for folder in ["worktrees", "runs"] {
            let folder = self.temp.data_dir().join("evolution").join(folder);
            let left = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let left: Vec<_> = left
                .map(|it| it.file_name())
                .filter(|it| it != "tmp")
                .collect();
            assert!(left.is_empty(), "{}: {left:?}", folder.display());
        }
    }
}

fn commit(root: &Path) {
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-q", "-m", "p"],
    ] {
        let done = git::command(root)
            .args(identity)
            .args(args)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// The refusal that a call ends with, at once or in its stream.
async fn end<T>(answer: Result<tonic::Response<Streaming<T>>, Status>) -> DecodedStatus {
    let mut stream = match answer {
        Ok(stream) => stream.into_inner(),
        Err(status) => return decode(&status),
    };
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was done"),
            Err(status) => return decode(&status),
        }
    }
}

#[tokio::test]
async fn what_lies_outside_of_the_roots_is_refused_wherever_links_lead() {
    let fixture = Fixture::start().await;
    for path in [
        "outside",
        "inside/link",
        "inside/../outside",
        "inside/p/link",
        "none",
        "inside/t.js",
    ] {
        for (call, refused) in fixture.ends(path, &[]).await {
            assert_eq!(
                refused.code,
                Code::PermissionDenied,
                "{call} {path}: {refused:?}"
            );
            assert_eq!(
                refused.reason, "OUTSIDE_ROOTS",
                "{call} {path}: {refused:?}"
            );
            assert!(
                refused.message.contains("path"),
                "{call} {path}: {refused:?}"
            );
        }
    }
    for transform in [
        "outside/t.js",
        "inside/t.js",
        "inside/link/t.js",
        "outside/none.js",
    ] {
        let refused = fixture.custom(transform).await;
        assert_eq!(refused.reason, "OUTSIDE_ROOTS", "{transform}: {refused:?}");
        assert!(refused.message.contains("custom_transform"), "{refused:?}");
    }
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn what_is_no_project_no_file_of_one_or_no_transform_is_named() {
    let fixture = Fixture::start().await;
    let deep = format!("inside/{}", "a".repeat(300));
    for path in [
        "inside/none",
        "inside/p/a.js/b",
        "inside/loop",
        deep.as_str(),
    ] {
        for (call, refused) in fixture.ends(path, &[]).await {
            assert_eq!(
                refused.code,
                Code::InvalidArgument,
                "{call} {path}: {refused:?}"
            );
            assert!(
                refused.message.contains("path: "),
                "{call} {path}: {refused:?}"
            );
        }
    }
    for include in ["none", "link", "link/t.js", "a.js/b"] {
        for (call, refused) in fixture.ends("inside/p", &["a.js", include]).await {
            let found = (refused.code, refused.reason.as_str());
            assert_eq!(
                found,
                (Code::InvalidArgument, "PROJECT_UNUSABLE"),
                "{call} {include}: {refused:?}"
            );
            assert!(
                refused.message.contains(&format!("include: {include}")),
                "{call}: {refused:?}"
            );
        }
    }
    for (transform, why) in [
        ("inside/p", "is no file"),
        ("inside/none.js", "cannot be used"),
    ] {
        let refused = fixture.custom(transform).await;
        assert_eq!(
            refused.code,
            Code::InvalidArgument,
            "{transform}: {refused:?}"
        );
        let words = &refused.message;
        assert!(
            words.contains("custom_transform: ") && words.contains(why),
            "{words}"
        );
    }
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn lists_of_what_may_not_be_worked_on_tell_nothing_of_what_is_there() {
    let fixture = Fixture::start().await;
    for path in ["outside", "none", "inside/link"] {
        let mut client = fixture.client.clone();
        let list = ListEvolutionsRequest {
            path: fixture.at(path),
            ..ListEvolutionsRequest::default()
        };
        let listed = client.list_evolutions(list).await.unwrap().into_inner();
        assert_eq!(
            (listed.evolutions.len(), listed.next_page_token.as_str()),
            (0, "")
        );
        let patterns = ListPatternsRequest {
            path: fixture.at(path),
            ..ListPatternsRequest::default()
        };
        assert!(client.list_patterns(patterns).await.is_ok(), "{path}");
    }
}
