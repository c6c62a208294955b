//! A stack, and where everything it writes and tells ends up.

use std::collections::BTreeMap;
use std::path::Path;

use shim_proto::checkpoint::v1::{ArchiveRecord, ExportRequest};
use shim_redis_harness::{Port, Redis};
use shim_tests::scrape::scrape;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::NAMED;
use super::collector::Collector;
use super::corpus::Secret;
use crate::bad_input::tasks::WorkFixture;

pub(super) struct TestStack {
    pub(super) temp: TempEnv,
    pub(super) service: Service,
    pub(super) collector: Collector,
    redis: Redis,
    port: Port,
}

impl TestStack {
    /// With every line that the program can log, and every span of each call.
    pub(super) async fn new(configure: impl FnOnce(&TempEnv, Launch) -> Launch) -> Self {
        let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
        let collector = Collector::start().await;
        let metrics = format!("127.0.0.1:{}", port.number());
        let launch = WorkFixture::stack(&temp, &redis.url())
            .env("SHIM_LOG_FILTER", "trace")
            .env("SHIM_OTLP_ENDPOINT", collector.endpoint())
            .env("SHIM_METRICS_LISTEN", &metrics);
        let service = configure(&temp, launch).start_or_panic().await;
        Self {
            temp,
            service,
            collector,
            redis,
            port,
        }
    }

    /// All that the checkpoint service has.
    pub(super) async fn archive(&self) -> Vec<ArchiveRecord> {
        let mut client = self.service.client();
        let answer = client.export(ExportRequest::default()).await.unwrap();
        let mut answers = answer.into_inner();
        let mut records = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            records.extend(answer.record);
        }
        records
    }

    /// What Prometheus is told.
    pub(super) async fn metrics(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port.number());
        scrape(&address).await.unwrap()
    }

    /// Stops it, so that the last line and the last span are out, and returns each byte that was written or sent, by
    /// where it is. Redis appends all it was ever told to a file.
    pub(super) async fn stop_and_collect(&mut self) -> Vec<(String, String)> {
        let archive = format!("{:?}", self.archive().await);
        let metrics = self.metrics().await;
        self.service.stop();
        let spans = readable(&self.collector.bytes());
        let is_exported = spans.contains("shim.checkpoint.v1.CheckpointService/Export");
        assert!(is_exported, "no spans came");
        let parts = [
            ("the archive", archive),
            ("the metrics", metrics),
            ("the spans", spans),
        ];
        let mut seen = parts
            .map(|(location, text)| (location.to_owned(), text))
            .into();
        // The logs are in files beside the data.
        read_all(self.temp.root(), &mut seen);
        read_all(self.redis.folder(), &mut seen);
        seen
    }

    /// Looks for the secrets in each of these bytes.
    pub(super) async fn assert_clean(&mut self, secrets: &[Secret]) {
        let counted = self.metrics().await;
        let seen = self.stop_and_collect().await;
        let (_, archive) = &seen[0];
        assert!(archive.contains("[redacted:"), "nothing redacted was saved");
        for expected in ["checkpoints.db", "up.log", "appendonly"] {
            let is_there = seen.iter().any(|(location, _)| location.contains(expected));
            assert!(is_there, "{expected} was not looked into");
        }
        let needles = secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            for (location, text) in &seen {
                let line = text.lines().find(|line| line.contains(needle));
                assert_eq!(line, None, "{needle} is in {location}");
            }
        }
        let counted: f64 = redaction_counts(&counted).values().sum();
        assert!(
            counted >= secrets.len() as f64,
            "only {counted} were counted"
        );
    }
}

/// How many secrets each rule found, as the metrics tell.
pub(super) fn redaction_counts(metrics: &str) -> BTreeMap<String, f64> {
    let lines = metrics.lines();
    let counters = lines.filter_map(|line| line.strip_prefix("shim_redactions_total{rule=\""));
    let counters = counters.map(|line| line.split_once("\"} ").unwrap());
    counters
        .map(|(rule, count)| (rule.to_owned(), count.parse().unwrap()))
        .collect()
}

fn read_all(folder: &Path, seen: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What the test itself wrote is full of them.
        if path.file_name() == Some("project".as_ref()) {
            continue;
        }
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            read_all(&path, seen);
        } else if kind.is_file() {
            let text = readable(&std::fs::read(&path).unwrap());
            seen.push((path.display().to_string(), text));
        }
    }
}

/// With what is no text replaced, and all else in its place: secrets are ASCII.
pub(super) fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
