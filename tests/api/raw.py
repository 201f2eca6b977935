"""HTTP by hand, for what no client library would send."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """`status` is 0 when the server closed the line without a word."""

    status: int
    head: str
    body: bytes


def connect(port: int, seconds: float = 30.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def read_reply(line: socket.socket) -> Reply:
    """Everything until the server closes the line, as one reply."""
    content = b""
    try:
        while block := line.recv(65536):
            content += block
    except ConnectionResetError:
        pass
    head, _, body = content.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0
    return Reply(status, head.decode("latin-1"), body)


def ask(port: int, request: str | bytes) -> Reply:
    """Send `request` as it is and read until the line is closed."""
    with connect(port) as line:
        line.sendall(request if isinstance(request, bytes) else request.encode())
        return read_reply(line)
