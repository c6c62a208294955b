"""A Docker engine of the test's own, in a folder of its own, with the images a registry would have.

It needs root and Debian's docker.io, docker-compose, debootstrap and iptables, and nothing of a Docker that runs already.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
# Debian's client brings BuildKit along; one in another place may not.
CLIENTS = "/usr/bin:" + os.environ["PATH"]


class Engine:
    """Runs from entering to leaving; nothing of it is left then."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {
            "PATH": CLIENTS,
            "DOCKER_HOST": f"unix://{folder}/sock",
            "DOCKER_BUILDKIT": "1",
        }

    def __enter__(self) -> "Engine":
        command = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec"]
        command += ["--pidfile", self.folder / "pid", "-H", self.environment["DOCKER_HOST"]]
        # Networks of users and ports on loopback need none of these, and the machine's own rules stay as they are.
        command += ["--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false"]
        log = open(self.folder / "dockerd.log", "wb")
        self.daemon = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.try_docker("version") is None:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((self.folder / "dockerd.log").read_text()[-2000:])
            time.sleep(0.2)
        return self

    def __exit__(self, *_) -> None:
        self.daemon.terminate()
        self.daemon.wait(60)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def docker(self, *arguments, **options) -> str:
        """What the command prints; its failure ends the test."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        done = subprocess.run(["docker", *map(str, arguments)], env=self.environment, text=True, **options)
        if done.returncode != 0:
            raise SystemExit(f"docker {arguments[0]} failed:\n{done.stdout}{done.stderr or ''}")
        return done.stdout.strip()

    def try_docker(self, *arguments) -> str | None:
        """What the command prints, or nothing if it fails."""
        done = subprocess.run(
            ["docker", *map(str, arguments)], env=self.environment, text=True, capture_output=True
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def build(self, image: str, context: Path, *arguments) -> None:
        self.docker("build", "--quiet", "--network", "host", "--tag", image, *arguments, context)

    def make_images(self, rootfs: Path, program: Path) -> None:
        """The base image, those made of Debian's packages, and SHIM's own around a program that is built already."""
        if not (rootfs / "etc/debian_version").exists():
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", rootfs], check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen(["tar", "-C", rootfs, "-c", "."], stdout=subprocess.PIPE) as tar:
            self.docker("import", "-", "debian:bookworm-slim", stdin=tar.stdout)
        self.build("redis:7", HERE / "redis")
        self.build("prom/prometheus:v2.55.1", HERE / "prometheus")
        # Whatever it is called there and whatever lies beside it.
        context = self.folder / "shim"
        context.mkdir()
        shutil.copy2(program, context / "shim")
        shutil.copy2(HERE.parent.parent / "THIRD_PARTY.md", context)
        dockerfile = HERE.parent / "Dockerfile"
        self.build("shim:0.1.0", context, "--file", dockerfile, "--target", "prebuilt")
