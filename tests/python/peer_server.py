"""The peer of the gateway's benchmark: the smallest server the MCP Python SDK makes, with one tool that does nothing."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("peer")


@server.tool()
def nothing(number: int) -> dict[str, int]:
    """Answers with its argument."""
    return {"number": number}


if __name__ == "__main__":
    server.run("stdio")
