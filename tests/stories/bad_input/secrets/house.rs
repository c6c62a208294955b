//! A stack, and where everything it writes and tells ends up.

use std::collections::BTreeMap;
use std::path::Path;

use shim_proto::checkpoint::v1::{ArchiveRecord, ExportRequest};
use shim_redis_harness::{Port, Redis};
use shim_tests::place::Place;
use shim_tests::scrape::scrape;
use shim_tests::service::{Launch, Service};

use super::NAMED;
use super::collector::Collector;
use super::corpus::Secret;
use crate::bad_input::tasks::Work;

pub(super) struct House {
    pub(super) place: Place,
    pub(super) stack: Service,
    pub(super) collector: Collector,
    redis: Redis,
    port: Port,
}

impl House {
    /// With every line that the program can log, and every span of each call.
    pub(super) async fn new(configure: impl FnOnce(&Place, Launch) -> Launch) -> Self {
        let (place, redis, port) = (Place::new(), Redis::start(), Port::reserve());
        let collector = Collector::start().await;
        let metrics = format!("127.0.0.1:{}", port.number());
        let launch = Work::stack(&place, &redis.url())
            .env("SHIM_LOG_FILTER", "trace")
            .env("SHIM_OTLP_ENDPOINT", collector.endpoint())
            .env("SHIM_METRICS_LISTEN", &metrics);
        let stack = configure(&place, launch).started().await;
        Self {
            place,
            stack,
            collector,
            redis,
            port,
        }
    }

    /// All that the checkpoint service has.
    pub(super) async fn archive(&self) -> Vec<ArchiveRecord> {
        let mut client = self.stack.client();
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
    pub(super) async fn all_that_left(&mut self) -> Vec<(String, String)> {
        let archive = format!("{:?}", self.archive().await);
        let metrics = self.metrics().await;
        self.stack.stop();
        let spans = readable(&self.collector.bytes());
        let is_told = spans.contains("shim.checkpoint.v1.CheckpointService/Export");
        assert!(is_told, "no spans came");
        let parts = [
            ("the archive", archive),
            ("the metrics", metrics),
            ("the spans", spans),
        ];
        let mut seen = parts.map(|(place, text)| (place.to_owned(), text)).into();
        // The logs are in files beside the data.
        read_all(self.place.root(), &mut seen);
        read_all(self.redis.folder(), &mut seen);
        seen
    }

    /// Looks for the secrets in each of these bytes.
    pub(super) async fn assert_clean(&mut self, secrets: &[Secret]) {
        let counted = self.metrics().await;
        let seen = self.all_that_left().await;
        let (_, archive) = &seen[0];
        assert!(archive.contains("[redacted:"), "nothing redacted was saved");
        for expected in ["checkpoints.db", "up.log", "appendonly"] {
            let is_there = seen.iter().any(|(place, _)| place.contains(expected));
            assert!(is_there, "{expected} was not looked into");
        }
        let needles = secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            for (place, text) in &seen {
                let line = text.lines().find(|line| line.contains(needle));
                assert_eq!(line, None, "{needle} is in {place}");
            }
        }
        let counted: f64 = taken_out(&counted).values().sum();
        assert!(
            counted >= secrets.len() as f64,
            "only {counted} were counted"
        );
    }
}

/// How many secrets each rule found, as the metrics tell.
pub(super) fn taken_out(metrics: &str) -> BTreeMap<String, f64> {
    let lines = metrics.lines();
    let told = lines.filter_map(|line| line.strip_prefix("shim_redactions_total{rule=\""));
    let told = told.map(|line| line.split_once("\"} ").unwrap());
    told.map(|(rule, count)| (rule.to_owned(), count.parse().unwrap()))
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
