"""The compose stack, for real: comes up, works, heals, and finds everything again.  usage: run.py PROGRAM WORK_FOLDER

PROGRAM is a `shim` built for this machine's Debian. WORK_FOLDER keeps the base image between runs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claude import Claude
from engine import Engine
from stack import Stack, wait

WORKERS = 3
PROJECT = "/srv/compose-test"


def main(program: Path, work: Path) -> None:
    missing = [it for it in ["dockerd", "docker", "docker-compose", "debootstrap"] if not installed(it)]
    if missing or os.geteuid() != 0:
        raise SystemExit(
            f"this needs root, and on this machine also: {' '.join(missing) or 'nothing'}\n"
            "hint: apt-get install --no-install-recommends docker.io docker-compose iptables debootstrap"
        )
    work.mkdir(parents=True, exist_ok=True)
    # Short, since the engine's socket lies in it.
    with tempfile.TemporaryDirectory(prefix="shim-compose-") as folder, Engine(Path(folder)) as engine:
        step("images are made", lambda: engine.make_images(work / "rootfs", program))
        stack = Stack(engine, Path(folder))
        try:
            story(stack)
        finally:
            stack.compose("down", "--volumes", "--timeout", "5")
    print("the stack came up, worked, healed and found everything again")


def story(stack: Stack) -> None:
    step(f"the stack is healthy with {WORKERS} workers", lambda: stack.up(WORKERS))
    step("strangers are refused", lambda: strangers_are_refused(stack))
    claude = Claude(stack.ports["gateway"], stack.token)
    saved = save(claude, 0.25)
    step("a job is shared by all workers", lambda: share_a_job(claude, WORKERS))
    step("a client of stdio reaches the stack", lambda: reach_over_stdio(stack))

    for container in stack.containers():
        name = stack.engine.docker("inspect", "--format", "{{.Name}}", container).strip("/")
        step(f"{name} is killed and heals", lambda: stack.crash(container))
        step("  and work goes on", lambda: work_goes_on(stack))
    for service in ["redis", "checkpoint", "coordination"]:
        step(f"{service} moves to another address", lambda: moved(stack, service))
        step("  and work goes on", lambda: work_goes_on(stack))

    before = jobs(stack)
    step("the stack goes down", stack.down)
    assert stack.containers() == [], "containers are left"
    step("and comes up again", lambda: stack.up(WORKERS))
    step("the checkpoint is restored", lambda: restore(stack, saved))
    assert before <= jobs(stack), "jobs were lost with the containers"
    step("and new work is done", lambda: work_goes_on(stack))


def save(claude: Claude, progress: float) -> str:
    """Saves a checkpoint and returns its id."""
    saved = claude.call(
        "shim_auto_checkpoint", current_task="prove the stack", progress=progress, next_steps=["kill it", "find it"]
    )
    return saved["checkpoint"]["checkpoint_id"]


def share_a_job(claude: Claude, workers: int) -> None:
    """Each part takes a second and a worker takes one at a time, so all workers get some."""
    parts = [{"id": f"part-{n}", "goal": f"count the words of part {n}"} for n in range(3 * workers)]
    told = finish(claude, goal="count words together", subtasks=parts)
    hosts = {line for line in told.split() if len(line) == 12 and set(line) <= set("0123456789abcdef")}
    assert len(hosts) == workers, f"the parts were done by {hosts}:\n{told}"


def finish(claude: Claude, **job) -> str:
    """Submits a job, waits for its end, and returns the text of its result."""
    tool = "shim_coordinate_task"
    submitted = claude.call(tool, action="submit", executor="command", requirements=["wordcount"], **job)
    task = submitted["task"]["task_id"]
    wait(
        f"the job {task} is completed",
        lambda: claude.call(tool, action="wait", task_id=task, wait_seconds=10)["task"]["state"] == "completed",
    )
    return claude.call(tool, action="results", task_id=task)["result"]["text"]


def work_goes_on(stack: Stack) -> None:
    """A client that connects anew may have to try again; what it was answered holds."""

    def works() -> bool:
        claude = Claude(stack.ports["gateway"], stack.token)
        save(claude, 0.5)
        return bool(finish(claude, goal="count one more time"))

    wait("a client saves and has a job done", works, stack.tell)


def restore(stack: Stack, checkpoint: str) -> None:
    claude = Claude(stack.ports["gateway"], stack.token)
    restored = claude.call("shim_check_recovery", action="restore", checkpoint_id=checkpoint)
    assert "prove the stack" in str(restored), restored


def moved(stack: Stack, service: str) -> None:
    before, after = stack.move(service)
    assert before != after, f"{service} is at {after} again"


def jobs(stack: Stack) -> set[str]:
    """The ids of the jobs the stack knows, asked from the command line in a container."""
    listed = stack.compose("exec", "-T", "gateway", "shim", "tasks", "list", "--json")
    return {job["taskId"] for job in json.loads(listed)["tasks"]}


def reach_over_stdio(stack: Stack) -> None:
    """The recipe for Claude Desktop: a gateway of its own in the gateway's container."""
    hello = (
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
        '"clientInfo":{"name":"desktop","version":"1"}}}\n'
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shim_session_status","arguments":{"view":"workers"}}}\n'
    )
    answers = stack.talk(["exec", "-T", "gateway", "shim", "gateway"], hello, answers=2)
    assert "wordcount" in answers[1], answers


def strangers_are_refused(stack: Stack) -> None:
    try:
        Claude(stack.ports["gateway"], "not-the-token-of-this-stack")
    except OSError as refusal:
        assert "401" in str(refusal), refusal
    else:
        raise AssertionError("a wrong token was let in")


def step(what: str, work) -> object:
    started = time.monotonic()
    done = work()
    print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)
    return done


def installed(command: str) -> bool:
    return subprocess.run(["sh", "-c", f"command -v {command}"], stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
