"""One of many client processes that save: through SHIM, or with LangGraph's SqliteSaver on a file that all share.

usage: bench_saver.py shim unix:/path/to.sock SECONDS
       bench_saver.py langgraph /path/to.db SECONDS
Saves about 2 KiB once and prints {"ready": true}. At the next line on its standard input it saves again and again for
SECONDS, and prints the latencies in milliseconds: {"latencies_ms": [...]}.
"""

import json
import os
import random
import sys
import time
import uuid

WORDS = "parser lease token queue worker schema commit branch stream socket latency fixture release audit trace".split()


def text(size: int) -> str:
    words = []
    while sum(map(len, words)) + len(words) < size:
        words.append(random.choice(WORDS) + (str(random.randrange(10_000)) if random.random() < 0.2 else ""))
    return " ".join(words)


def shim_saver(address: str):
    import grpc
    from google.protobuf import json_format, message_factory
    from reflection_client import SERVICE, Reflected

    channel = grpc.insecure_channel(address, options=[("grpc.default_authority", "localhost")])
    service = Reflected(channel)
    opened = service.call("OpenSession", request_id=str(uuid.uuid4()), project="/bench/python", title="a benchmark")
    session = opened["session"]
    # Looked up once, as generated code does.
    method = service.service.methods_by_name["SaveCheckpoint"]
    request_class = message_factory.GetMessageClass(method.input_type)
    invoke = channel.unary_unary(
        f"/{SERVICE}/SaveCheckpoint",
        request_serializer=request_class.SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    owner = json_format.ParseDict({"session_id": session["id"], "epoch": session["epoch"]}, request_class())

    def save(number: int) -> None:
        request = request_class()
        request.CopyFrom(owner)
        request.request_id = str(uuid.uuid4())
        request.state.current_task = f"task {number}"
        request.state.progress = 0.5
        request.state.summary = text(2000)
        invoke(request, timeout=60)

    return save


def langgraph_saver(path: str):
    import sqlite3

    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.sqlite import SqliteSaver

    connection = sqlite3.connect(path, check_same_thread=False, timeout=60)
    saver = SqliteSaver(connection)
    saver.setup()
    # As durable as the service: a save that was confirmed survives a power cut.
    connection.execute("PRAGMA synchronous=FULL")
    config = {"configurable": {"thread_id": f"thread {os.getpid()}", "checkpoint_ns": ""}}

    def save(number: int) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"task": f"task {number}", "summary": text(2000)}
        saver.put(config, checkpoint, {"source": "loop", "step": number, "parents": {}}, {})

    return save


def main() -> None:
    kind, where, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    save = {"shim": shim_saver, "langgraph": langgraph_saver}[kind](where)
    save(0)
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    latencies = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.perf_counter()
        save(len(latencies) + 1)
        latencies.append((time.perf_counter() - before) * 1e3)
    print(json.dumps({"latencies_ms": latencies}), flush=True)


main()
