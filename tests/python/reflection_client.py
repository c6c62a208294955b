"""A gRPC client that knows nothing but the address: it learns the contract by reflection, as grpcurl does.

usage: reflection_client.py unix:/path/to.sock
Opens a session, saves, lists, detects, restores and tries a stale save; prints what it saw as one JSON object.
"""

import json
import sys
import uuid

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

SERVICE = "shim.checkpoint.v1.CheckpointService"


class Reflected:
    """Calls methods by name with plain dictionaries."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(self.database)
        self.service = pool.FindServiceByName(SERVICE)

    def call(self, method: str, **fields: object) -> dict:
        described = self.service.methods_by_name[method]
        request = json_format.ParseDict(fields, message_factory.GetMessageClass(described.input_type)())
        answer_class = message_factory.GetMessageClass(described.output_type)
        invoke = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )
        answer = invoke(request, timeout=10)
        return json_format.MessageToDict(answer, preserving_proto_field_name=True)


def request_id() -> str:
    return str(uuid.uuid4())


def refusal(error: grpc.RpcError) -> dict:
    """The code and the reason of the google.rpc.ErrorInfo."""
    reason = None
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return {"code": error.code().name, "reason": reason, "message": error.details()}


def story(shim: Reflected) -> dict:
    session = shim.call("OpenSession", request_id=request_id(), project="/reflected", title="by reflection")["session"]
    owner = {"session_id": session["id"], "epoch": session["epoch"]}
    saved = []
    for number in (1, 2):
        state = {
            "current_task": f"task {number}",
            "progress": number / 10,
            "next_steps": ["go on"],
            "custom": {"from": "python", "nested": [1, None, {"deep": True}]},
        }
        saved.append(shim.call("SaveCheckpoint", request_id=request_id(), state=state, **owner)["checkpoint"])
    listed = shim.call("ListCheckpoints", session_id=session["id"])["checkpoints"]
    content = shim.call("GetCheckpoint", checkpoint_id=saved[0]["id"])["state"]
    detected = shim.call("DetectRecovery", project="/reflected")
    restored = shim.call("RestoreCheckpoint", request_id=request_id(), session_id=session["id"], take_over=True)
    try:
        shim.call("SaveCheckpoint", request_id=request_id(), state={"current_task": "too late"}, **owner)
        stale = None
    except grpc.RpcError as error:
        stale = refusal(error)
    return {
        "session": session,
        "saved": saved,
        "listed": listed,
        "content": content,
        "detected": detected,
        "restored": restored,
        "stale": stale,
    }


def main(address: str) -> None:
    # For a Unix socket grpcio puts the escaped path into :authority, which HTTP/2 servers on hyper refuse as malformed.
    with grpc.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        shim = Reflected(channel)
        seen = story(shim)
        seen["services"] = sorted(shim.database.get_services())
        seen["health"] = health_pb2.HealthCheckResponse.ServingStatus.Name(health.status)
        json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
