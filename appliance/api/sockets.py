"""The two sockets that the daemon listens on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from appliance.errors import InvalidInput, Unavailable

SOCKET_PATH_LIMIT = 107  # sun_path holds 108 bytes with its closing zero


def unix_socket(path: Path) -> socket.socket:
    """Listen at `path`, for its owner and group alone. Raises InvalidInput for a long path."""
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise InvalidInput(
            f"the socket's path is over {SOCKET_PATH_LIMIT} bytes: {path}",
            "give a shorter one with --socket, or a data folder with a shorter path",
        )
    path.unlink(missing_ok=True)  # left by a daemon that was killed; the lock says it is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    return listener


def tcp_socket(host: str, port: int) -> socket.socket:
    """Listen on `host` and `port`. Raises Unavailable when somebody else holds it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {host} port {port}: {error.strerror}",
            "give another port with --port, or stop the program that holds this one",
        ) from None
    return listener
