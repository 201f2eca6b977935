"""Small JSON messages over a stream socket, each with at most one file descriptor."""

from __future__ import annotations

import array
import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_MAX = 64 * 1024 * 1024


def send(channel: socket.socket, message: dict[str, Any], descriptor: int | None = None) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    content = json.dumps(message).encode()
    data = _LENGTH.pack(len(content)) + content
    sent = 0
    if descriptor is not None:
        rights = array.array("i", [descriptor])
        sent = channel.sendmsg(
            [data[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())]
        )
    channel.sendall(data[sent:])


def receive(channel: socket.socket) -> tuple[dict[str, Any], int | None]:
    """The next message and the descriptor that came with it, which the caller must close.

    Raises EOFError when the other side is gone, TimeoutError, json.JSONDecodeError.
    """
    size = array.array("i").itemsize
    first, ancillary, _, _ = channel.recvmsg(_LENGTH.size, socket.CMSG_SPACE(size))
    descriptor = None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptor = array.array("i", data[:size])[0]
    header = first + _exactly(channel, _LENGTH.size - len(first), already=bool(first))
    (length,) = _LENGTH.unpack(header)
    if length > _MAX:
        raise json.JSONDecodeError("message too long", "", 0)
    message: dict[str, Any] = json.loads(_exactly(channel, length))
    return message, descriptor


def _exactly(channel: socket.socket, count: int, *, already: bool = True) -> bytes:
    if not already:
        raise EOFError("the other side closed the channel")
    parts = []
    while count:
        part = channel.recv(min(count, 65536))
        if not part:
            raise EOFError("the other side closed the channel")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
