"""The compose stack under test: commands to docker-compose, and waiting for health."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from engine import HERE, Engine

ROOT = HERE.parent.parent
PROJECT = "shimtest"
PATIENCE = 180


class Stack:
    """The services of docker-compose.yml with the override of this test."""

    def __init__(self, engine: Engine, folder: Path):
        self.engine = engine
        services = ["CHECKPOINT", "COORDINATION", "GATEWAY", "PROMETHEUS"]
        self.ports = dict(zip(map(str.lower, services), free_ports(len(services))))
        ports = {f"SHIM_PORT_{name.upper()}": str(port) for name, port in self.ports.items()}
        self.environment = engine.environment | ports | {"SHIM_SECRETS": str(folder / "secrets")}
        subprocess.run([ROOT / "deploy/compose/make-secrets.sh"], env=self.environment, check=True)
        self.token = (folder / "secrets/token").read_text().strip()

    def compose(self, *arguments: str, **options) -> str:
        """What docker-compose prints; its failure ends the test."""
        files = ["-f", ROOT / "docker-compose.yml", "-f", HERE / "docker-compose.override.yml"]
        command = ["docker-compose", "--ansi", "never", "-p", PROJECT, "--project-directory", ROOT, *files, *arguments]
        options = {"stderr": subprocess.DEVNULL} | options
        done = subprocess.run(
            list(map(str, command)), env=self.environment, text=True, stdout=subprocess.PIPE, check=False, **options
        )
        if done.returncode != 0:
            raise SystemExit(f"docker-compose {' '.join(arguments)} failed:\n{done.stdout}{done.stderr or ''}\n{self.tell()}")
        return done.stdout

    def talk(self, arguments: list[str], said: str, answers: int) -> list[str]:
        """Says something to a command in a container and waits for so many lines of answer before hanging up."""
        command = ["docker-compose", "-p", PROJECT, "--project-directory", str(ROOT), "-f", str(ROOT / "docker-compose.yml")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command + arguments, env=self.environment, text=True, **pipes) as process:
            process.stdin.write(said)
            process.stdin.flush()
            lines = [process.stdout.readline() for _ in range(answers)]
            process.stdin.close()
        return lines

    def up(self, workers: int) -> None:
        self.compose("up", "--detach", "--no-build", "--scale", f"worker={workers}", stderr=subprocess.PIPE)
        self.wait_until_healthy()

    def down(self) -> None:
        self.compose("down", "--timeout", "60")

    def containers(self, service: str = "") -> list[str]:
        label = f"label=com.docker.compose.service={service}" if service else "label=com.docker.compose.service"
        return self.engine.docker("ps", "--quiet", "--all", "--filter", label).split()

    def state(self, container: str) -> dict:
        return json.loads(self.engine.docker("inspect", "--format", "{{json .State}}", container))

    def wait_until_healthy(self) -> None:
        wait("all are healthy", lambda: all(self.is_healthy(it) for it in self.containers()), self.tell)

    def is_healthy(self, container: str) -> bool:
        return self.state(container).get("Health", {}).get("Status") == "healthy"

    def crash(self, container: str) -> None:
        """Kills what runs in the container from outside of it: the engine must find that out, and heal it."""
        before = self.state(container)
        os.kill(before["Pid"], signal.SIGKILL)
        wait(
            "it was started again",
            lambda: self.state(container)["StartedAt"] != before["StartedAt"] and self.is_healthy(container),
            self.tell,
        )

    def move(self, service: str) -> tuple[str, str]:
        """Makes the container anew at another address, while something else has its old one."""
        network = f"{PROJECT}_store" if service == "redis" else "shim"
        before = self.address(self.containers(service)[0], network)
        self.compose("rm", "--stop", "--force", service)
        squatters = []
        while not squatters or self.address(squatters[-1], network) != before:
            assert len(squatters) < 20, f"nobody got {before}"
            squatters.append(self.engine.docker("run", "--detach", "--network", network, "redis:7"))
        self.compose("up", "--detach", "--no-build", "--no-deps", service)
        wait(f"{service} is healthy", lambda: self.is_healthy(self.containers(service)[0]), self.tell)
        after = self.address(self.containers(service)[0], network)
        self.engine.docker("rm", "--force", "--volumes", *squatters)
        return before, after

    def address(self, container: str, network: str) -> str:
        networks = self.engine.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
        return json.loads(networks)[network]["IPAddress"]

    def tell(self) -> str:
        """What an operator would look at when something is wrong."""
        lines = [self.engine.docker("ps", "--all", "--format", "{{.Names}} {{.Status}}")]
        for container in self.containers():
            if not self.is_healthy(container):
                health = self.state(container).get("Health", {}).get("Log") or [{}]
                logs = self.engine.docker("logs", "--tail", "8", container, stderr=subprocess.STDOUT)
                lines += [container, str(health[-1].get("Output")), logs]
        return "\n".join(lines)


def wait(what: str, holds, tell=lambda: "") -> None:
    """Waits until it holds; a failed look counts as not yet."""
    deadline = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except (OSError, ConnectionError, KeyError) as error:
            last = error
        time.sleep(0.3)
    raise SystemExit(f"not within {PATIENCE} s: {what} ({last})\n{tell()}")


def free_ports(count: int) -> list[int]:
    """Ports nobody has now; all are held together so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports
