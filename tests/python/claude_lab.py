"""The room in which the tests run the real Claude Code: a scripted stand-in of the Messages API and the processes that use it.

It is started in a network namespace of its own (`unshare -n`), where nothing but loopback exists. Orders come as JSON lines on
stdin, events go as JSON lines to stdout. A window is known by its API key, so that several may speak to the stand-in at once.

Orders:
  {"do": "steps", "window": W, "steps": [STEP, ..]}      what the model answers next; appended to what is left
  {"do": "aside", "window": W, "text": T}                what it answers to calls that are no turn (titles, summaries)
  {"do": "release", "window": W}                         lets the answer go that a step holds back
  {"do": "run", "name": N, "argv": [..], "cwd": F, "env": {..}, "streams": "none" | "pipes" | "terminal"}   starts a program with
                                                         this environment and no other; "none" leaves it without an input
  {"do": "type", "name": N, "text": T}                   writes to its terminal or its standard input
  {"do": "close", "name": N}                             closes its terminal or its standard input
A STEP has "text" and "tools" ([{"name": .., "input": {..}}]), either may be missing; "usage" {..}; "wait" (seconds) or "hold" (until
released) before the answer; "status" with "error" and "message" and "headers" for a refusal; "last": true repeats it for ever.
A text in an input that is {"last": PATTERN} is what the pattern's group matched last in what the model was shown.

Events: ready {port}, request {window, is_turn, agent, messages, tools, system, model}, answered {window, step}, started {name, pid},
output {name, line}, screen {name, text}, exited {name, code, signal}, failed {why}.
"""

import fcntl
import http.server
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
ROWS, COLUMNS = 50, 160
LAST_WORDS_WITHIN = 1.0
USAGE = {"input_tokens": 1200, "output_tokens": 40, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}

told = threading.Lock()


def tell(event, **facts):
    line = json.dumps({"event": event, "at": time.time(), **facts})
    with told:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        blank = struct.pack("16sh14s", b"lo", 0, b"")
        name, flags, rest = struct.unpack("16sh14s", fcntl.ioctl(probe, SIOCGIFFLAGS, blank))
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14s", name, flags | IFF_UP, rest))


def filled(given, shown):
    """An input with what it takes from the conversation."""
    if isinstance(given, dict) and set(given) == {"last"}:
        found = re.findall(given["last"], shown)
        return found[-1] if found else ""
    if isinstance(given, dict):
        return {name: filled(value, shown) for name, value in given.items()}
    return given


def asks_for_summary(request):
    """Whether a conversation is being compacted: such a call carries the tools of a turn, and wants its answer in a tag."""
    last = (request.get("messages") or [{}])[-1].get("content") or ""
    texts = [last] if isinstance(last, str) else [part.get("text") or "" for part in last]
    return any("<analysis>" in text and "<summary>" in text for text in texts)


class Window:
    """What the model says to one API key."""

    def __init__(self):
        self.steps, self.count, self.aside = [], 0, "ok"
        self.lock, self.released = threading.Lock(), threading.Semaphore(0)

    def next(self):
        with self.lock:
            self.count += 1
            if not self.steps:
                return {"text": "done"}
            return self.steps[0] if self.steps[0].get("last") else self.steps.pop(0)


class Windows:
    def __init__(self):
        self.known, self.lock = {}, threading.Lock()

    def __getitem__(self, key):
        with self.lock:
            return self.known.setdefault(key, Window())


windows = Windows()


class MessagesApi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(200, {})

    do_GET = do_HEAD

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            request = json.loads(body)
        except ValueError:
            request = {}
        try:
            if "count_tokens" in self.path:
                self.answer(200, {"input_tokens": len(body) // 4})
            elif self.path.split("?")[0].endswith("/v1/messages"):
                self.message(request)
            else:
                self.answer(200, {})
        except (BrokenPipeError, ConnectionResetError):
            pass

    def message(self, request):
        key = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        agent = self.headers.get("x-claude-code-agent-id")
        window = windows[f"{key}#agent" if agent else key]
        names = [tool.get("name", "") for tool in request.get("tools", [])]
        has_tools = "Bash" in names or "ToolSearch" in names or any(name.startswith("mcp__") for name in names)
        is_turn = has_tools and not asks_for_summary(request)
        step = window.next() if is_turn else {"text": window.aside}
        number = window.count
        tell(
            "request",
            window=key,
            agent=agent,
            is_turn=is_turn,
            step=number,
            conversation=self.headers.get("x-claude-code-session-id"),
            model=request.get("model"),
            messages=request.get("messages"),
            tools=names,
        )
        time.sleep(step.get("wait", 0))
        if step.get("hold"):
            window.released.acquire()
        if "status" in step:
            error = {"type": step.get("error", "overloaded_error"), "message": step.get("message", "Overloaded")}
            self.answer(step["status"], {"type": "error", "error": error}, step.get("headers", {}))
        else:
            self.speak(request, step, f"{number:04d}")
        tell("answered", window=key, agent=agent, is_turn=is_turn, step=number)

    def answer(self, status, body, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "content-type": "application/json"}.items():
            self.send_header(name, str(value))
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def speak(self, request, step, number):
        usage = {**USAGE, **step.get("usage", {})}
        tools = step.get("tools", [])
        blocks = [{"type": "text", "text": step["text"]}] if step.get("text") else []
        # An id is unique over all runs: a resumed conversation holds those of earlier ones.
        unique = f"{os.getpid()}_{time.time_ns()}"
        shown = json.dumps(request.get("messages"), ensure_ascii=False)
        for at, tool in enumerate(tools):
            given = filled(tool.get("input", {}), shown)
            blocks.append({"type": "tool_use", "id": f"toolu_{unique}_{at}", "name": tool["name"], "input": given})
        stop = "tool_use" if tools else "end_turn"
        message = {"id": f"msg_{unique}", "type": "message", "role": "assistant", "model": request.get("model"), "stop_sequence": None}
        if not request.get("stream"):
            return self.answer(200, {**message, "content": blocks, "stop_reason": stop, "usage": usage})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.event("message_start", message={**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}})
        for index, block in enumerate(blocks):
            self.block(index, block)
        self.event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": usage["output_tokens"]})
        self.event("message_stop")
        self.close_connection = True

    def block(self, index, block):
        if block["type"] == "text":
            start, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        self.event("content_block_start", index=index, content_block=start)
        self.event("content_block_delta", index=index, delta=delta)
        self.event("content_block_stop", index=index)

    def event(self, kind, **facts):
        self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n".encode())
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that is killed leaves its connections as they are."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


class Program:
    """A program that was started, with a terminal or with pipes."""

    def __init__(self, name, argv, cwd, env, streams):
        self.name, self.terminal = name, None
        if streams == "terminal":
            self.terminal, inner = pty.openpty()
            fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            at = {"stdin": inner, "stdout": inner, "stderr": inner}
            self.child = subprocess.Popen(argv, cwd=cwd, env=env, start_new_session=True, preexec_fn=own_terminal, **at)
            os.close(inner)
        else:
            given = subprocess.PIPE if streams == "pipes" else subprocess.DEVNULL
            at = {"stdin": given, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            self.child = subprocess.Popen(argv, cwd=cwd, env=env, start_new_session=True, **at)
        tell("started", name=name, pid=self.child.pid)
        self.reader = threading.Thread(target=self.follow, daemon=True)
        self.reader.start()
        threading.Thread(target=self.await_end, daemon=True).start()

    def follow(self):
        if self.terminal is None:
            for line in self.child.stdout:
                tell("output", name=self.name, line=line.decode(errors="replace").rstrip("\n"))
        else:
            self.follow_terminal()

    def await_end(self):
        code = self.child.wait()
        # What it started may hold its streams open for ever.
        self.reader.join(LAST_WORDS_WITHIN)
        tell("exited", name=self.name, code=max(code, 0), signal=max(-code, 0))

    def follow_terminal(self):
        while True:
            try:
                shown = os.read(self.terminal, 65536)
            except OSError:
                return
            if not shown:
                return
            tell("screen", name=self.name, text=shown.decode(errors="replace"))

    def type(self, text):
        try:
            if self.terminal is not None:
                os.write(self.terminal, text.encode())
            else:
                self.child.stdin.write(text.encode())
                self.child.stdin.flush()
        except OSError as why:
            tell("failed", why=f"{self.name} does not read: {why}")

    def close(self):
        if self.terminal is not None:
            os.close(self.terminal)
        else:
            self.child.stdin.close()


def own_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def obey(order, programs):
    kind = order["do"]
    if kind == "steps":
        window = windows[order["window"]]
        with window.lock:
            window.steps.extend(order["steps"])
    elif kind == "aside":
        windows[order["window"]].aside = order["text"]
    elif kind == "release":
        windows[order["window"]].released.release()
    elif kind == "run":
        name = order["name"]
        programs[name] = Program(name, order["argv"], order["cwd"], order["env"], order.get("streams", "none"))
    elif kind == "type":
        programs[order["name"]].type(order["text"])
    elif kind == "close":
        programs[order["name"]].close()
    else:
        raise ValueError(f"no such order: {kind}")


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_loopback()
    server = Server(("127.0.0.1", 0), MessagesApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell("ready", port=server.server_address[1])
    programs = {}
    for line in sys.stdin:
        try:
            obey(json.loads(line), programs)
        except Exception as why:  # noqa: BLE001  the test hears of it
            tell("failed", why=f"{type(why).__name__}: {why}")


main()
