//! A disk that fills while code is worked on: a clear error, nothing changed, nothing left, and with room again it goes on.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    ApproveEvolutionRequest, Evolution, EvolutionState, EvolveCodeRequest, GenerateTestsRequest,
    ListEvolutionsRequest, RevertEvolutionRequest,
};
use shim_runtime::client::Channel;
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use shim_tests::mount::Tmpfs;
use shim_tests::node;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tonic::Status;

const MANIFEST: &str = r#"{"name": "full", "scripts": {"test": "node --test"}}"#;
const SOURCE: &str = "'use strict';\nvar limit = 10;\nexports.clamp = function (value) {\n  var top = limit;\n  return value > top ? top : value;\n};\n";
const TEST: &str = "require('node:test')('clamp', () => require('node:assert').equal(require('../src/a.js').clamp(12), 10));\n";
/// Bytes that are left on the disk: enough for nothing, for a first step, for most of the work.
const LEFT: [usize; 4] = [0, 64 << 10, 256 << 10, 1 << 20];
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A project outside of the disk that fills.
struct Work {
    root: std::path::PathBuf,
    client: EvolutionServiceClient<Channel>,
}

impl Work {
    fn git(&self, args: &[&str]) -> String {
        let mut git = shim_runtime::git::command(&self.root);
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.test"]);
        let output = git.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn make(&self) {
        for (path, text) in [
            ("package.json", MANIFEST),
            ("src/a.js", SOURCE),
            ("test/a.test.js", TEST),
        ] {
            let path = self.root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "all"]);
    }

    async fn propose(&mut self) {
        let request = EvolveCodeRequest {
            request_id: request_id(),
            path: self.root.display().to_string(),
            transforms: vec!["var-to-let-const".to_owned()],
            ..EvolveCodeRequest::default()
        };
        let mut stream = self.client.evolve_code(request).await.unwrap().into_inner();
        while stream.message().await.unwrap().is_some() {}
    }

    async fn approve(&mut self, request: ApproveEvolutionRequest) -> Result<(), Status> {
        let mut stream = self.client.approve_evolution(request).await?.into_inner();
        while stream.message().await?.is_some() {}
        Ok(())
    }

    async fn generate(&mut self) -> Result<(), Status> {
        let request = GenerateTestsRequest {
            request_id: request_id(),
            path: self.root.display().to_string(),
            ..GenerateTestsRequest::default()
        };
        let mut stream = self.client.generate_tests(request).await?.into_inner();
        while stream.message().await?.is_some() {}
        Ok(())
    }

    async fn newest(&mut self) -> Evolution {
        let request = ListEvolutionsRequest {
            path: self.root.display().to_string(),
            ..ListEvolutionsRequest::default()
        };
        let answer = self.client.list_evolutions(request).await.unwrap();
        let mut found = answer.into_inner().evolutions.into_iter();
        found.find(|it| it.transform == "var-to-let-const").unwrap()
    }

    /// The newest evolution, once nothing is told as being applied any more.
    async fn settled(&mut self) -> Evolution {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let newest = self.newest().await;
            if newest.state() != EvolutionState::Applying {
                return newest;
            }
            assert!(Instant::now() < deadline, "still applying");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The user's tree, and no worktree, copy or branch that the evolution does not name.
    fn assert_untouched(&self, data_dir: &Path, evolution: &Evolution) {
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        let branches = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        let others: Vec<_> = branches.lines().filter(|it| *it != "main").collect();
        let named = Some(evolution.branch.as_str()).filter(|branch| !branch.is_empty());
        assert_eq!(others, Vec::from_iter(named));
        for folder in ["worktrees", "runs"] {
            let entries = std::fs::read_dir(data_dir.join("evolution").join(folder));
            let names = entries.into_iter().flatten().flatten();
            let left: Vec<_> = names
                .map(|entry| entry.file_name())
                .filter(|name| name != "tmp")
                .collect();
            assert!(left.is_empty(), "{folder}: {left:?}");
        }
    }
}

/// Takes what is free but for `left` bytes.
fn fill(path: &Path, left: usize) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [64 * 1024, 4 * 1024, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left as u64)).unwrap();
}

fn assert_full(status: &Status, what: &str) {
    let decoded = decode(status);
    assert_eq!(decoded.reason, "DISK_FULL", "{what}: {decoded}");
    assert!(decoded.remedy.is_some(), "{what}: {decoded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_during_an_approval_or_new_tests_changes_nothing() {
    let temp = TempEnv::new();
    let data = temp.data_dir();
    let Some(_disk) = Tmpfs::mount(&data, "24m") else {
        return;
    };
    node::share_evolution_tools(&data);
    let root = temp.project();
    let path = root.display().to_string();
    let launch = Launch::evolution(&data)
        .env("SHIM_EVOLUTION_ROOTS", &path)
        .env("SHIM_EVOLUTION_TRUSTED", &path);
    let service = launch.start_or_panic().await;
    let client = EvolutionServiceClient::new(service.channel());
    let mut work = Work { root, client };
    work.make();
    let ballast = data.join("ballast");
    let mut refused = 0;
    for left in LEFT {
        work.propose().await;
        let request = ApproveEvolutionRequest {
            request_id: request_id(),
            evolution_id: work.newest().await.evolution_id,
            approve: true,
            ..ApproveEvolutionRequest::default()
        };
        fill(&ballast, left);
        if let Err(status) = work.approve(request.clone()).await {
            assert_full(&status, &format!("an approval with {left} bytes"));
            refused += 1;
        }
        if let Err(status) = work.generate().await {
            assert_full(&status, &format!("new tests with {left} bytes"));
            refused += 1;
        }
        std::fs::remove_file(&ballast).unwrap();
        let settled = work.settled().await;
        work.assert_untouched(&data, &settled);
        work.approve(request).await.unwrap();
        let committed = work.newest().await;
        assert_eq!(committed.state(), EvolutionState::Committed);
        work.assert_untouched(&data, &committed);
        let back = RevertEvolutionRequest {
            request_id: request_id(),
            evolution_id: committed.evolution_id,
            reason: String::new(),
        };
        work.client.revert_evolution(back).await.unwrap();
    }
    assert!(refused >= 2, "a full disk refuses");
    assert!(!service.log().contains("panicked"), "{}", service.log());
}
