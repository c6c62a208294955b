"""The MCP Python SDK as a Claude client: starts a server over stdio and does what it is told, one JSON line an order.

usage: mcp_client.py MODE SERVER
MODE is `legacy` (the era of `initialize`) or a version without a handshake, such as 2026-07-28.
SERVER is {"command": [program, argument...], "env": {...}}.
The first line printed is {"protocol": version}; then each order gets {"ok": result} or {"error": {code, message}}.
"""

import asyncio
import json
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError


async def obey(client: Client, order: dict) -> object:
    match order["do"]:
        case "tools":
            return await client.list_tools()
        case "call":
            return await client.call_tool(order["name"], order.get("arguments"), meta=order.get("meta"))
        case "prompts":
            return await client.list_prompts()
        case "prompt":
            return await client.get_prompt(order["name"], order.get("arguments"))
        case "resources":
            return await client.list_resources()
        case "templates":
            return await client.list_resource_templates()
        case "read":
            return await client.read_resource(order["uri"])
    raise ValueError(f"unknown order {order['do']}")


def tell(answer: dict) -> None:
    print(json.dumps(answer), flush=True)


async def main(mode: str, server: dict) -> None:
    program, *arguments = server["command"]
    parameters = StdioServerParameters(command=program, args=arguments, env=server["env"])
    async with Client(parameters, mode=mode, cache=None, read_timeout_seconds=40) as client:
        tell({"protocol": client.protocol_version})
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            try:
                result = await obey(client, json.loads(line))
                tell({"ok": result.model_dump(mode="json", by_alias=True)})
            except MCPError as error:
                tell({"error": {"code": error.error.code, "message": error.error.message}})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
