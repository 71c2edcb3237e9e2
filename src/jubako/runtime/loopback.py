"""Ports of this machine's loopback address: finding a free one, and asking whether one listens."""

import asyncio
import socket

HOST = "127.0.0.1"
CONNECT_S = 1.0
"""A connection on loopback that takes longer is none: the backlog is full or packets are dropped."""


def free_port() -> int:
    """Return a port that nothing uses right now; somebody else may take it before its process does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def listens(port: int) -> bool:
    """Return whether a connection to ``port`` is accepted."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(HOST, port)
    except OSError:  # TimeoutError is one
        return False
    writer.transport.abort()
    return True
