use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::*;
use shim_runtime::{auth::Auth, client::*, config::Settings, lifecycle::Shutdown, server::*};
use std::time::*;
fn text(seed: &mut u64, n: usize) -> String {
    let w = [
        "alpha", "writer", "commit", "session", "restore", "cache", "tokens", "buffer", "kernel",
        "stream", "ledger", "branch", "signal", "parser", "retry",
    ];
    let mut s = String::new();
    while s.len() < n {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        s.push_str(w[(*seed % 15) as usize]);
        s.push_str(&format!("{} ", *seed % 1000));
    }
    s
}
#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let dir = std::path::PathBuf::from(dir);
    std::fs::create_dir_all(&dir).unwrap();
    if std::env::args().nth(2).as_deref() == Some("serve") {
        let mut s = Settings::gather(None, [], []).unwrap();
        let c = shim_checkpoint::Config::read(&mut s);
        let mut l = Listeners::default();
        l.bind_unix(&dir.join("s")).unwrap();
        shim_checkpoint::run(
            c,
            &dir,
            Server::new(Auth::default()).unwrap(),
            l,
            Shutdown::on_signals().unwrap(),
        )
        .await
        .unwrap();
        return;
    }
    let ch = connect(&Endpoint::Unix(dir.join("s")), None).unwrap();
    let mut seed = 88172645463325252u64;
    for size in [2000usize, 20000] {
        let states: Vec<CheckpointState> = (0..16)
            .map(|_| CheckpointState {
                current_task: text(&mut seed, 100),
                progress: 0.5,
                decisions: (0..5).map(|_| text(&mut seed, size / 20)).collect(),
                next_steps: (0..5).map(|_| text(&mut seed, size / 20)).collect(),
                summary: text(&mut seed, size / 2),
                ..Default::default()
            })
            .collect();
        // raw
        use prost::Message;
        let raw = rusqlite::Connection::open(dir.join(format!("raw{size}.db"))).unwrap();
        raw.execute_batch("PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, b BLOB)").unwrap();
        let mut lat = vec![];
        let t0 = Instant::now();
        for i in 0..2000 {
            let b = states[i % 16].encode_to_vec();
            let t = Instant::now();
            raw.prepare_cached("INSERT INTO t(b) VALUES(?1)")
                .unwrap()
                .execute([b])
                .unwrap();
            lat.push(t.elapsed());
        }
        lat.sort();
        println!(
            "raw {size}: p50 {:?} p99 {:?} {:.0}/s",
            lat[1000],
            lat[1980],
            2000.0 / t0.elapsed().as_secs_f64()
        );
        let rawrate = 2000.0 / t0.elapsed().as_secs_f64();
        for inflight in [1usize, 16, 64] {
            let total = if inflight == 1 { 2000 } else { 12000 };
            let mut hs = vec![];
            let t0 = Instant::now();
            for _ in 0..inflight {
                let mut api = CheckpointServiceClient::new(ch.clone());
                let states = states.clone();
                hs.push(tokio::spawn(async move {
                    let s = api
                        .open_session(OpenSessionRequest {
                            request_id: uuid::Uuid::now_v7().to_string(),
                            project: "/p".into(),
                            ..Default::default()
                        })
                        .await
                        .unwrap()
                        .into_inner()
                        .session
                        .unwrap();
                    let mut lat = vec![];
                    for i in 0..total / inflight {
                        let t = Instant::now();
                        api.save_checkpoint(SaveCheckpointRequest {
                            request_id: uuid::Uuid::now_v7().to_string(),
                            session_id: s.id.clone(),
                            epoch: 1,
                            state: Some(states[i % 16].clone()),
                            ..Default::default()
                        })
                        .await
                        .unwrap();
                        lat.push(t.elapsed());
                    }
                    lat
                }));
            }
            let mut lat = vec![];
            for h in hs {
                lat.extend(h.await.unwrap());
            }
            lat.sort();
            let rate = lat.len() as f64 / t0.elapsed().as_secs_f64();
            println!(
                "shim {size} x{inflight}: p50 {:?} p99 {:?} {:.0}/s ratio {:.2}",
                lat[lat.len() / 2],
                lat[lat.len() * 99 / 100],
                rate,
                rate / rawrate
            );
        }
    }
}
