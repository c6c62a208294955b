//! Every part of SHIM as a process of its own on a port of its own, told where the others are and nothing else: two
//! coordination services and two workers on one Redis, a checkpoint service, a gateway over HTTP and one over stdio.

use serde_json::Value;
use shim_redis_harness::{Port, Redis};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::place::Place;
use shim_tests::service::{Launch, Service};

use super::web::WebGateway;

/// Takes its time, so that whatever is killed is killed in the middle of something.
const PROGRAM: &str = "cat > /dev/null; sleep 0.3; echo counted";

/// One process of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Redis,
    Checkpoint,
    Coordination(usize),
    Worker(usize),
    WebGateway,
    /// The gateway that a client started over stdio, which goes with it.
    Window,
}

pub(super) const PARTS: [Part; 8] = [
    Part::Redis,
    Part::Checkpoint,
    Part::Coordination(0),
    Part::Coordination(1),
    Part::Worker(0),
    Part::Worker(1),
    Part::WebGateway,
    Part::Window,
];

/// Ports stay reserved while their process is down.
struct Ports {
    checkpoint: Port,
    coordination: [Port; 2],
    worker: [Port; 2],
    web: Port,
}

fn address(port: &Port) -> String {
    format!("127.0.0.1:{}", port.number())
}

pub(super) struct House {
    pub(super) place: Place,
    pub(super) checkpoint: Service,
    pub(super) coordination: [Service; 2],
    pub(super) window: Gateway,
    pub(super) web: WebGateway,
    workers: [Service; 2],
    redis: Redis,
    ports: Ports,
}

impl House {
    pub(super) async fn new() -> Self {
        let (place, redis) = (Place::new(), Redis::start());
        let pair = || [Port::reserve(), Port::reserve()];
        let ports = Ports {
            checkpoint: Port::reserve(),
            coordination: pair(),
            worker: pair(),
            web: Port::reserve(),
        };
        let plan = Plan {
            place: &place,
            redis: &redis,
            ports: &ports,
        };
        Self {
            checkpoint: plan.checkpoint().started().await,
            coordination: [
                plan.coordination(0).started().await,
                plan.coordination(1).started().await,
            ],
            workers: [
                plan.worker(0).started().await,
                plan.worker(1).started().await,
            ],
            web: plan.web(),
            window: plan.window().open().await,
            place,
            redis,
            ports,
        }
    }

    fn plan(&self) -> Plan<'_> {
        Plan {
            place: &self.place,
            redis: &self.redis,
            ports: &self.ports,
        }
    }

    /// Ends a part with SIGKILL.
    pub(super) async fn kill(&mut self, part: Part) {
        match part {
            Part::Redis => self.redis.kill(),
            Part::Checkpoint => self.checkpoint.kill(),
            Part::Coordination(which) => self.coordination[which].kill(),
            Part::Worker(which) => self.workers[which].kill(),
            Part::WebGateway => self.web.kill(),
            Part::Window => self.window.kill().await,
        }
    }

    /// Starts a part again where it was.
    pub(super) async fn restart(&mut self, part: Part) {
        match part {
            Part::Redis => self.redis.restart(),
            Part::Checkpoint => self.checkpoint = self.plan().checkpoint().started().await,
            Part::Coordination(which) => {
                self.coordination[which] = self.plan().coordination(which).started().await;
            }
            Part::Worker(which) => self.workers[which] = self.plan().worker(which).started().await,
            Part::WebGateway => self.web = self.plan().web(),
            Part::Window => self.window = self.plan().window().open().await,
        }
    }

    /// Calls a tool through one of the gateways. `None` if there was no answer or a refusal.
    pub(super) async fn call(&mut self, by: Part, tool: &str, arguments: &Value) -> Option<Value> {
        let mut answer = if by == Part::WebGateway {
            self.web.call(tool, arguments).await.ok()?
        } else {
            self.window.call(tool, arguments.clone()).await
        };
        if answer["isError"] == Value::Bool(true) {
            eprintln!("{by:?}: {tool}: {}", answer["structuredContent"]["error"]);
            return None;
        }
        Some(answer["structuredContent"].take())
    }
}

/// How each part is started, the first time as any other.
struct Plan<'a> {
    place: &'a Place,
    redis: &'a Redis,
    ports: &'a Ports,
}

impl Plan<'_> {
    fn serving(&self, launch: Launch, port: &Port) -> Launch {
        launch
            .env("SHIM_LISTEN", &address(port))
            .env("SHIM_REGISTRY_HEARTBEAT", "250ms")
            .env("SHIM_REGISTRY_DEAD_AFTER", "1500ms")
    }

    fn checkpoint(&self) -> Launch {
        self.serving(Launch::on(&self.place.data_dir()), &self.ports.checkpoint)
    }

    fn coordination(&self, which: usize) -> Launch {
        let launch = Launch::coordination(&self.place.data_dir(), &self.redis.url());
        self.serving(launch, &self.ports.coordination[which])
            .named(&format!("coordination-{which}"))
    }

    fn worker(&self, which: usize) -> Launch {
        let file = self.place.one_program("count", PROGRAM);
        let launch = Launch::worker(&self.place.data_dir(), &self.redis.url());
        self.serving(launch, &self.ports.worker[which])
            .named(&format!("worker-{which}"))
            .env("SHIM_CONFIG", &file.display().to_string())
            .env(
                "SHIM_ENDPOINTS_CHECKPOINT",
                &format!("http://{}", address(&self.ports.checkpoint)),
            )
    }

    /// Where a gateway finds the services: each of the two uses one of each pair.
    fn endpoints(&self, which: usize) -> Vec<(String, String)> {
        let ports = [
            ("CHECKPOINT", &self.ports.checkpoint),
            ("COORDINATION", &self.ports.coordination[which]),
            ("WORKER", &self.ports.worker[which]),
        ];
        let named = ports.map(|(service, port)| {
            let name = format!("SHIM_ENDPOINTS_{service}");
            (name, format!("http://{}", address(port)))
        });
        named.to_vec()
    }

    fn web(&self) -> WebGateway {
        let address = address(&self.ports.web);
        WebGateway::spawn(self.place, &address, &self.endpoints(1))
    }

    fn window(&self) -> GatewayLaunch {
        let launch = GatewayLaunch::new(&self.place.data_dir(), &self.place.project());
        let endpoints = self.endpoints(0).into_iter();
        endpoints.fold(launch, |launch, (name, value)| {
            launch.with_env(&name, &value)
        })
    }
}
