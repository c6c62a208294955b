//! Every part of SHIM as a process of its own on a port of its own, told where the others are and nothing else: two
//! coordination services and two workers on one Redis, a checkpoint service, a gateway over HTTP and one over stdio.

use serde_json::Value;
use shim_redis_harness::{Port, Redis};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::web::WebGateway;

/// Takes its time, so that whatever is killed is killed in the middle of something.
const PROGRAM: &str = "cat > /dev/null; sleep 0.3; echo counted";

/// One process of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StackProcess {
    Redis,
    Checkpoint,
    Coordination(usize),
    Worker(usize),
    WebGateway,
    /// The gateway that a client started over stdio, which goes with it.
    Window,
}

pub(super) const PROCESSES: [StackProcess; 8] = [
    StackProcess::Redis,
    StackProcess::Checkpoint,
    StackProcess::Coordination(0),
    StackProcess::Coordination(1),
    StackProcess::Worker(0),
    StackProcess::Worker(1),
    StackProcess::WebGateway,
    StackProcess::Window,
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

pub(super) struct TestStack {
    pub(super) temp: TempEnv,
    pub(super) checkpoint: Service,
    pub(super) coordination: [Service; 2],
    pub(super) window: Gateway,
    pub(super) web: WebGateway,
    workers: [Service; 2],
    redis: Redis,
    ports: Ports,
}

impl TestStack {
    pub(super) async fn new() -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        let pair = || [Port::reserve(), Port::reserve()];
        let ports = Ports {
            checkpoint: Port::reserve(),
            coordination: pair(),
            worker: pair(),
            web: Port::reserve(),
        };
        let plan = LaunchPlan {
            temp: &temp,
            redis: &redis,
            ports: &ports,
        };
        Self {
            checkpoint: plan.checkpoint().start_or_panic().await,
            coordination: [
                plan.coordination(0).start_or_panic().await,
                plan.coordination(1).start_or_panic().await,
            ],
            workers: [
                plan.worker(0).start_or_panic().await,
                plan.worker(1).start_or_panic().await,
            ],
            web: plan.web(),
            window: plan.window().open().await,
            temp,
            redis,
            ports,
        }
    }

    fn plan(&self) -> LaunchPlan<'_> {
        LaunchPlan {
            temp: &self.temp,
            redis: &self.redis,
            ports: &self.ports,
        }
    }

    /// Ends a part with SIGKILL.
    pub(super) async fn kill(&mut self, process: StackProcess) {
        match process {
            StackProcess::Redis => self.redis.kill(),
            StackProcess::Checkpoint => self.checkpoint.kill(),
            StackProcess::Coordination(which) => self.coordination[which].kill(),
            StackProcess::Worker(which) => self.workers[which].kill(),
            StackProcess::WebGateway => self.web.kill(),
            StackProcess::Window => self.window.kill().await,
        }
    }

    /// Starts a part again where it was.
    pub(super) async fn restart(&mut self, process: StackProcess) {
        match process {
            StackProcess::Redis => self.redis.restart(),
            StackProcess::Checkpoint => {
                self.checkpoint = self.plan().checkpoint().start_or_panic().await;
            }
            StackProcess::Coordination(which) => {
                self.coordination[which] = self.plan().coordination(which).start_or_panic().await;
            }
            StackProcess::Worker(which) => {
                self.workers[which] = self.plan().worker(which).start_or_panic().await;
            }
            StackProcess::WebGateway => self.web = self.plan().web(),
            StackProcess::Window => self.window = self.plan().window().open().await,
        }
    }

    /// Calls a tool through one of the gateways. `None` if there was no answer or a refusal.
    pub(super) async fn call(
        &mut self,
        by: StackProcess,
        tool: &str,
        arguments: &Value,
    ) -> Option<Value> {
        let mut answer = if by == StackProcess::WebGateway {
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
struct LaunchPlan<'a> {
    temp: &'a TempEnv,
    redis: &'a Redis,
    ports: &'a Ports,
}

impl LaunchPlan<'_> {
    fn serving(&self, launch: Launch, port: &Port) -> Launch {
        launch
            .env("SHIM_LISTEN", &address(port))
            .env("SHIM_AUTH_OPEN", "true")
            .env("SHIM_REGISTRY_HEARTBEAT", "250ms")
            .env("SHIM_REGISTRY_DEAD_AFTER", "1500ms")
    }

    fn checkpoint(&self) -> Launch {
        self.serving(
            Launch::checkpoint(&self.temp.data_dir()),
            &self.ports.checkpoint,
        )
    }

    fn coordination(&self, which: usize) -> Launch {
        let launch = Launch::coordination(&self.temp.data_dir(), &self.redis.url());
        self.serving(launch, &self.ports.coordination[which])
            .named(&format!("coordination-{which}"))
    }

    fn worker(&self, which: usize) -> Launch {
        let file = self.temp.one_program("count", PROGRAM);
        let launch = Launch::worker(&self.temp.data_dir(), &self.redis.url());
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
        let mut environment = named.to_vec();
        // The web's clients show no token.
        environment.push(("SHIM_AUTH_OPEN".to_owned(), "true".to_owned()));
        environment
    }

    fn web(&self) -> WebGateway {
        let address = address(&self.ports.web);
        WebGateway::spawn(self.temp, &address, &self.endpoints(1))
    }

    fn window(&self) -> GatewayLaunch {
        let launch = GatewayLaunch::new(&self.temp.data_dir(), &self.temp.project());
        let endpoints = self.endpoints(0).into_iter();
        endpoints.fold(launch, |launch, (name, value)| {
            launch.with_env(&name, &value)
        })
    }
}
