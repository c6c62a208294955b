"""A Claude over Streamable HTTP, as far as the test needs one: it opens a connection and calls tools."""

import json
import urllib.request

PROTOCOL = "2025-06-18"


class Claude:
    """One connection to the gateway's port on this machine."""

    def __init__(self, port: int, token: str):
        self.url = f"http://127.0.0.1:{port}/mcp"
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self.asked = 0
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "compose-test", "version": "1"}}
        self.ask("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments) -> dict:
        """The facts of a tool's answer."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise ConnectionError(f"{tool}: {result['content'][0]['text']}")
        return result["structuredContent"]

    def ask(self, method: str, parameters: dict) -> dict:
        self.asked += 1
        answers = self.send({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": parameters})
        for answer in answers:
            if answer.get("id") == self.asked:
                if "error" in answer:
                    raise ConnectionError(f"{method}: {answer['error']}")
                return answer["result"]
        raise ConnectionError(f"{method}: no answer among {answers}")

    def send(self, message: dict) -> list[dict]:
        request = urllib.request.Request(self.url, json.dumps(message).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=40) as response:
            if session := response.headers.get("Mcp-Session-Id"):
                self.headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": PROTOCOL}
            text = response.read().decode()
        if not text.lstrip().startswith("{"):
            events = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
            return [json.loads(event) for event in events if event]
        return [json.loads(text)]
