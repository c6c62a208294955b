//! Cost against size: leases and locks held, workspaces, and callers at once. A flat curve is a ratio near one.

use std::time::Duration;

use shim_proto::coordination::v1::{FileLease, Lock, PutStateRequest, ReleaseFilesRequest};
use tokio::task::JoinSet;

use crate::bench::figure::Figure;
use crate::bench::lane::{Lane, Turn, median, turn};
use crate::calls::request_id;
use crate::coordination::{CoordinationClients, counted, files, lock, put};
use crate::service::Service;

const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_millis(400);
const TTL: Duration = Duration::from_secs(3_600);
/// Callers at once: few, as sessions are.
const FEW: usize = 4;
/// A slow machine fills a table by few at once.
const FILLING: usize = 4;
/// How much slower the largest may be than the smallest.
const FLAT: f64 = 1.5;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Leases,
    Locks,
    Workspaces,
}

const CURVES: [(Size, &str, [usize; 4]); 3] = [
    (
        Size::Leases,
        "AcquireFiles, ReleaseFiles in turn, leases held",
        [10, 100, 500, 990],
    ),
    (
        Size::Locks,
        "AcquireLock, ReleaseLock in turn, locks held",
        [10, 100, 1_000, 9_000],
    ),
    (
        Size::Workspaces,
        "PutState, workspaces",
        [1, 10, 100, 1_000],
    ),
];

pub(super) async fn measure(service: &Service) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (size, name, counts) in CURVES {
        let mut lanes = Vec::new();
        for count in counts {
            fill(size, service, count).await;
            lanes.push(lanes_of(size, service, count));
        }
        // All sizes by turns, so that a noisy moment meets each of them.
        let mut turns: Vec<Vec<Turn>> = counts.iter().map(|_| Vec::new()).collect();
        for _ in 0..=ROUNDS {
            for (lanes, turns) in lanes.iter_mut().zip(&mut turns) {
                let (back, measured) = turn(std::mem::take(lanes), TURN).await;
                *lanes = back;
                turns.push(measured);
            }
        }
        // The first round warms up.
        for turns in &mut turns {
            turns.remove(0);
        }
        let smallest = median(&turns[0], |turn| turn.rate);
        for (count, turns) in counts.iter().zip(&turns) {
            let rate = median(turns, |turn| turn.rate);
            let figure = Figure::new(format!("{name}: {count}"), rate, "1/s");
            let is_flat = rate * FLAT >= smallest;
            let peer = format!("itself at {}", counts[0]);
            figures.push(figure.beside(&peer, smallest).target(">= 0.67x", is_flat));
        }
    }
    figures
}

fn workspace(size: Size, count: usize) -> String {
    format!("{size:?}-{count}")
}

/// Holds so many leases or locks; workspaces are made by use.
async fn fill(size: Size, service: &Service, count: usize) {
    let mut filling = JoinSet::new();
    for lane in 0..FILLING {
        let mut clients = service.coordination();
        filling.spawn(async move {
            for i in (lane..count).step_by(FILLING) {
                match size {
                    Size::Leases => {
                        let mut request = files("holder", &[&format!("held/{i}.rs")]);
                        request.workspace = workspace(size, count);
                        clients.lease(request).await.expect("files are free");
                    }
                    Size::Locks => {
                        let mut request = lock(&format!("held-{i}"), "holder", TTL);
                        request.namespace = workspace(size, count);
                        clients.lock(request).await.expect("the lock is free");
                    }
                    Size::Workspaces => return,
                }
            }
        });
    }
    filling.join_all().await;
}

struct Sized {
    size: Size,
    clients: CoordinationClients,
    count: usize,
    lane: usize,
    number: usize,
    lease: Option<FileLease>,
    lock: Option<Lock>,
}

fn lanes_of(size: Size, service: &Service, count: usize) -> Vec<Sized> {
    let clients = service.coordination();
    let lane = |lane| Sized {
        size,
        clients: clients.clone(),
        count,
        lane,
        number: lane,
        lease: None,
        lock: None,
    };
    (0..FEW).map(lane).collect()
}

impl Lane for Sized {
    async fn call(&mut self) {
        match self.size {
            Size::Leases => self.lease_in_turn().await,
            Size::Locks => self.lock_in_turn().await,
            Size::Workspaces => self.put_in_turn().await,
        }
    }
}

impl Sized {
    async fn lease_in_turn(&mut self) {
        match self.lease.take() {
            Some(lease) => {
                let request = ReleaseFilesRequest {
                    request_id: request_id(),
                    workspace: lease.workspace,
                    holder: lease.holder,
                    lease_ids: vec![lease.lease_id],
                };
                let released = self.clients.locks.release_files(request).await;
                released.expect("a lease is given back");
            }
            None => {
                let name = format!("lane-{}", self.lane);
                let mut request = files(&name, &[&format!("free/{name}/*.rs")]);
                request.workspace = workspace(self.size, self.count);
                let lease = self.clients.lease(request).await;
                self.lease = Some(lease.expect("files are free"));
            }
        }
    }

    async fn lock_in_turn(&mut self) {
        match self.lock.take() {
            Some(lock) => drop(self.clients.unlock(&lock).await.expect("it is given back")),
            None => {
                let name = format!("lane-{}", self.lane);
                let mut request = lock(&name, &name, TTL);
                request.namespace = workspace(self.size, self.count);
                self.lock = Some(self.clients.lock(request).await.expect("the lock is free"));
            }
        }
    }

    async fn put_in_turn(&mut self) {
        self.number += FEW;
        let workspace = format!("{}-{}", self.count, self.number % self.count);
        let key = format!("lane-{}", self.lane);
        let request = PutStateRequest {
            namespace: workspace,
            ..put(&key, counted(1), None)
        };
        self.clients.put(request).await.expect("state is written");
    }
}
