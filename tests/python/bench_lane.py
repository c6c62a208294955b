"""One worker with one lane, as a Python program that speaks gRPC: it submits tasks that ask for nothing, then claims and
completes them one after the other.

usage: bench_lane.py unix:/path/to.sock TASKS
Prints {"submit_s": seconds, "process_s": seconds}.
"""

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SUBMITTING = 8
WAIT_S = 10
# More often than a worker is taken for dead.
HEARTBEAT_S = 1.5


class Stub:
    """The methods of one service, looked up once, as generated code does."""

    def __init__(self, channel: grpc.Channel, pool: descriptor_pool.DescriptorPool, name: str) -> None:
        self.channel, self.name = channel, name
        self.methods = pool.FindServiceByName(name).methods_by_name

    def method(self, name: str):
        described = self.methods[name]
        request_class = message_factory.GetMessageClass(described.input_type)
        invoke = self.channel.unary_unary(
            f"/{self.name}/{name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=message_factory.GetMessageClass(described.output_type).FromString,
        )
        return request_class, invoke


def key() -> str:
    return str(uuid.uuid4())


def main(address: str, count: int) -> None:
    channel = grpc.insecure_channel(address, options=[("grpc.default_authority", "localhost")])
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    tasks = Stub(channel, pool, "shim.coordination.v1.TaskService")
    registry = Stub(channel, pool, "shim.coordination.v1.RegistryService")
    work = Stub(channel, pool, "shim.worker.v1.WorkerService")

    register_class, register = registry.method("RegisterWorker")
    worker = register(register_class(request_id=key(), name="lane", kind="WORKER_KIND_AGENT", capacity=1)).worker
    beat_class, beat = registry.method("Heartbeat")
    submit_class, submit = tasks.method("SubmitTask")
    claim_class, claim = work.method("ClaimTask")
    complete_class, complete = work.method("CompleteTask")

    start = time.perf_counter()
    with ThreadPoolExecutor(SUBMITTING) as submitters:
        requests = (submit_class(request_id=key(), goal=f"job {n}", split="SPLIT_POLICY_NEVER") for n in range(count))
        list(submitters.map(submit, requests))
    submitted = time.perf_counter()

    told = 0.0
    for _ in range(count):
        if time.perf_counter() - told > HEARTBEAT_S:
            beat(beat_class(worker_id=worker.worker_id, epoch=worker.epoch, running=0))
            told = time.perf_counter()
        request = claim_class(request_id=key(), worker_id=worker.worker_id, epoch=worker.epoch)
        request.wait.seconds = WAIT_S
        given = claim(request)
        done = complete_class(request_id=key(), task_id=given.task.task_id, lease=given.lease)
        done.result.text = ""
        complete(done)
    ended = time.perf_counter()
    print(json.dumps({"submit_s": submitted - start, "process_s": ended - submitted}))


main(sys.argv[1], int(sys.argv[2]))
