//! A project whose names, comments, tests, messages and tools imitate what SHIM says: what RPCs, commands, tasks and tools tell of
//! it; and hostile texts in every field of every RPC about code.

use std::path::PathBuf;
use std::process::Stdio;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_runtime::git;
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use shim_tests::mcp::GatewayLaunch;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use shim_tests::{binary, node};
use tokio::process::Command;
use tonic::Code;

use super::SEED;
use super::texts::{self, Hostile, faults as faults_in};
use crate::bad_input::secrets::fields::{field_paths, put};
use crate::bad_input::wire::Wire;

struct World {
    temp: TempEnv,
    redis: Redis,
    service: Service,
    hostile: Hostile,
}

impl World {
    async fn start() -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        node::share_evolution_tools(&temp.data_dir());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let hostile = texts::hostile().new_tree(&mut runner).unwrap().current();
        let launch = Launch::stack(&temp.data_dir(), &redis.url())
            .env("SHIM_EVOLUTION_TRUSTED", &temp.root().display().to_string())
            .env("SHIM_LOG_FILTER", "debug,h2=info,hyper=info");
        let service = launch.start_or_panic().await;
        let world = Self {
            temp,
            redis,
            service,
            hostile,
        };
        world.make_project();
        world
    }

    fn root(&self) -> PathBuf {
        self.temp.root().join("code")
    }

    /// Hostile texts stand wherever a project has texts, but not beside code that is changed: diffs show what they are about.
    fn make_project(&self) {
        let (lines, line) = (&self.hostile.lines, &self.hostile.line);
        let quoted = Value::from(lines.as_str()).to_string();
        let test = format!(
            "const test = require('node:test');\ntest({quoted}, () => {{ if (!/var a/.test(require('node:fs').readFileSync(__dirname + '/../src/a.js', 'utf8'))) throw new Error({quoted}); }});\n"
        );
        let config = format!(
            "module.exports = [{{ files: ['**/*.js'], plugins: {{ own: {{ rules: {{ says: {{ create: (it) => ({{ Program: (node) => it.report({{ node, message: {quoted} }}) }}) }} }} }} }}, rules: {{ 'own/says': 'error' }} }}];\n"
        );
        let manifest = json!({"name": lines, "version": lines, "scripts": {"test": "node --test"}});
        let comment = lines.replace("*/", "");
        let debt = format!("/* TODO {comment} */\nexports.g = () => {quoted};\n");
        let name = line.replace('/', "-");
        for (path, text) in [
            ("package.json".to_owned(), manifest.to_string()),
            ("eslint.config.js".to_owned(), config),
            ("test/a.test.js".to_owned(), test),
            (
                "src/a.js".to_owned(),
                "var a = 1;\nexports.f = (b) => b + a;\n".to_owned(),
            ),
            (format!("src/{name}.js"), debt.clone()),
            (format!("src/x\n{name}.js"), debt),
            (format!("src/y\r{name}\u{202e}.js"), format!("{quoted}; (")),
            (
                "transform.js".to_owned(),
                format!("module.exports = () => {{ throw new Error({quoted}); }};\n"),
            ),
        ] {
            let path = self.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let name = format!("user.name={}", line.replace(['<', '>'], ""));
        for args in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["commit", "-q", "--cleanup=verbatim", "-m", lines],
        ] {
            let identity = ["-c", name.as_str(), "-c", "user.email=x@example.org"];
            let done = git::command(&self.root())
                .args(identity)
                .args(args)
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
    }

    /// What a command prints, and what is wrong with that.
    async fn shim(&self, words: &[&str], faults: &mut Vec<String>) -> String {
        let output = Command::new(binary::shim())
            .arg("--data-dir")
            .arg(self.temp.data_dir())
            .args(words)
            .current_dir(self.root())
            .env("HOME", self.temp.root())
            .env("SHIM_REDIS_URL", self.redis.url())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let what = format!("shim {}", words.join(" "))
            .escape_debug()
            .to_string();
        for bytes in [&output.stdout, &output.stderr] {
            faults.extend(faults_in(&what, &String::from_utf8_lossy(bytes)));
        }
        String::from_utf8(output.stdout).unwrap()
    }

    /// Hostile texts in each field of each RPC, one at a time: refusals are outputs, too.
    async fn refuse_each(&self, evolution_id: &str, faults: &mut Vec<String>) {
        let wire = Wire::to_evolution(&self.service);
        for method in wire.methods() {
            for path in field_paths(&method.input()) {
                for text in [&self.hostile.lines, &self.hostile.line] {
                    let mut message = DynamicMessage::new(method.input());
                    for (name, value) in [
                        ("request_id", request_id()),
                        ("path", self.root().join("src/a.js").display().to_string()),
                        ("evolution_id", evolution_id.to_owned()),
                    ] {
                        if method.input().get_field_by_name(name).is_some() {
                            message.set_field_by_name(name, prost_reflect::Value::String(value));
                        }
                    }
                    put(&mut message, &path, text, &self.hostile.line);
                    let asked = vec![message.encode_to_vec().into()];
                    let (_, ended) = wire.exchange(&method, asked).await;
                    let Err(status) = ended else { continue };
                    let (what, decoded) = (method.name(), decode(&status));
                    faults.extend(faults_in(what, status.message()));
                    if [Code::Internal, Code::Unknown].contains(&decoded.code) {
                        faults.push(format!("{what}: {decoded}"));
                    }
                    for (field, rule) in &decoded.violations {
                        faults.extend(faults_in(what, &format!("field {field}: {rule}")));
                    }
                }
            }
        }
    }

    /// What a Claude window reads of jobs about the project.
    async fn tools(&self, faults: &mut Vec<String>) {
        let launch = GatewayLaunch::new(&self.temp.data_dir(), &self.root());
        let mut gateway = launch.open().await;
        for (kind, payload) in [
            (
                "analyze",
                json!({"path": self.root(), "with_work_history": true}),
            ),
            (
                "evolve",
                json!({"path": self.root(), "transforms": ["var-to-let-const"]}),
            ),
            (
                "analyze",
                json!({"path": self.root(), self.hostile.lines.as_str(): 1}),
            ),
            (
                "evolve",
                json!({"path": self.root(), "transforms": [self.hostile.lines]}),
            ),
        ] {
            let submit =
                json!({"action": "submit", "goal": "look", "kind": kind, "payload": payload});
            let submitted = gateway.call("shim_coordinate_task", submit).await;
            faults.extend(told(kind, &submitted));
            let Some(id) = submitted["structuredContent"]["task"]["task_id"].as_str() else {
                continue;
            };
            loop {
                let wait = json!({"action": "wait", "task_id": id});
                let waited = gateway.call("shim_coordinate_task", wait).await;
                faults.extend(told(kind, &waited));
                let state = waited["structuredContent"]["task"]["state"].as_str();
                if !matches!(state, Some("queued" | "running" | "waiting" | "scheduled")) {
                    break;
                }
            }
            let results = json!({"action": "results", "task_id": id});
            faults.extend(told(
                kind,
                &gateway.call("shim_coordinate_task", results).await,
            ));
        }
    }
}

/// What is wrong with the texts of a tool's answer.
fn told(what: &str, answer: &Value) -> Vec<String> {
    let texts = answer["content"].as_array().into_iter().flatten();
    let texts = texts.filter_map(|it| it["text"].as_str());
    texts.flat_map(|text| faults_in(what, text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_a_project_begins_a_line_of_what_is_told_of_it() {
    let world = World::start().await;
    let (lines, mut faults) = (world.hostile.lines.clone(), Vec::new());
    let transform = world.root().join("transform.js").display().to_string();
    let analyzed = world.shim(&["analyze", "."], &mut faults).await;
    assert!(analyzed.contains("files"), "{analyzed}");
    for words in [
        &["analyze", ".", "--json"][..],
        &["analyze", ".", "--sarif"],
        &["trust", "."],
        &["evolve", ".", "--custom", &transform],
        &["generate-tests", "."],
    ] {
        world.shim(words, &mut faults).await;
    }
    let proposed = world
        .shim(
            &["evolve", ".", "--transform", "var-to-let-const", "--json"],
            &mut faults,
        )
        .await;
    let first: Value = serde_json::from_str(proposed.lines().next().unwrap_or_default()).unwrap();
    let id = first["evolution"]["evolutionId"]
        .as_str()
        .expect("it is proposed")
        .to_owned();
    world.refuse_each(&id, &mut faults).await;
    for words in [
        &["evolve", "approve", &id, "--file", &lines][..],
        &["evolve", "approve", &id],
        &["evolve", "reject", &id, "--reason", &lines],
        &["evolve", "revert", &id, "--reason", &lines],
        &["evolve", "show", &id],
        &["evolve", "show", &id, "--json"],
        &["evolve", "list"],
        &["evolve", "list", ".", "--json"],
        &["patterns"],
        &["patterns", ".", "--json"],
    ] {
        world.shim(words, &mut faults).await;
    }
    world.tools(&mut faults).await;
    faults.extend(faults_in("the log", &world.service.log()));
    assert!(
        faults.is_empty(),
        "seed {:?}: {} faults\n{}",
        String::from_utf8_lossy(&SEED),
        faults.len(),
        faults[..faults.len().min(30)].join("\n")
    );
}
