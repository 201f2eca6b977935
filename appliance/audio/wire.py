"""How a capture child talks to its supervisor: messages on a pipe.

    kind (1 byte) · length of the rest (4 bytes) · rest
    F  JSON: rate, channels, speed, name        once, when the source has been opened
    B  frame, captured_ns, lost, frames · int16 samples, channels interleaved
    E  JSON: state, message, advice             why the child ends

Samples travel as 16 bits, which is what microphones give; float sources are rounded.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.audio.flac import to_int16
from appliance.audio.source import Block, StreamFormat

_HEAD = struct.Struct("<cI")
_BLOCK = struct.Struct("<QqQI")
_MAX = 16 * 1024 * 1024
# Room for seconds of sound, so that a busy daemon costs no frames.
PIPE_BYTES = 1024 * 1024


class WireError(Exception):
    """The bytes on the pipe are no message: the other side is not what it should be."""


@dataclass(frozen=True)
class Ending:
    """Why a child ended, in the words of `SourceError`."""

    state: str
    message: str
    advice: str


class BlockWriter:
    """The child's side. Raises OSError (broken pipe) when the supervisor is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def opened(self, form: StreamFormat, name: str) -> None:
        facts = {"rate": form.rate, "channels": form.channels, "speed": form.speed, "name": name}
        self._send(b"F", json.dumps(facts).encode())

    def block(self, block: Block) -> None:
        head = _BLOCK.pack(block.frame, block.captured_ns, block.lost, len(block.samples))
        self._send(b"B", head + to_int16(block.samples).tobytes())

    def ending(self, ending: Ending) -> None:
        facts = {"state": ending.state, "message": ending.message, "advice": ending.advice}
        self._send(b"E", json.dumps(facts).encode())

    def _send(self, kind: bytes, rest: bytes) -> None:
        data = memoryview(_HEAD.pack(kind, len(rest)) + rest)
        while data:
            data = data[os.write(self._descriptor, data) :]


class BlockReader:
    """The supervisor's side; the descriptor must be non-blocking."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self.format: StreamFormat | None = None
        self.name = ""

    def next(self, timeout_s: float) -> Block | StreamFormat | Ending | None:
        """The next message; None when none came in time.

        Raises EOFError when the pipe was closed without a word, WireError on nonsense.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            if (message := self._taken()) is not None:
                return message
            rest = deadline - time.monotonic()
            if not self._poll.poll(max(0.0, rest) * 1000):
                return None
            data = os.read(self._descriptor, 262_144)
            if not data:
                raise EOFError("the capture child closed its pipe")
            self._buffer += data

    def _taken(self) -> Block | StreamFormat | Ending | None:
        if len(self._buffer) < _HEAD.size:
            return None
        kind, length = _HEAD.unpack_from(self._buffer)
        if length > _MAX or kind not in (b"F", b"B", b"E"):
            raise WireError(f"no message: kind {kind!r}, {length} bytes")
        end = _HEAD.size + length
        if len(self._buffer) < end:
            return None
        rest = bytes(self._buffer[_HEAD.size : end])
        del self._buffer[:end]
        try:
            if kind == b"B":
                return self._block(rest)
            facts = json.loads(rest)
            return self._opened(facts) if kind == b"F" else Ending(**facts)
        except (ValueError, TypeError, KeyError, struct.error) as error:
            raise WireError(f"a message {kind!r} that cannot be read: {error}") from error

    def _opened(self, facts: dict[str, Any]) -> StreamFormat:
        self.format = StreamFormat(
            int(facts["rate"]), int(facts["channels"]), float(facts["speed"])
        )
        self.name = str(facts["name"])
        return self.format

    def _block(self, rest: bytes) -> Block:
        if self.format is None:
            raise WireError("a block came before its format")
        frame, captured_ns, lost, frames = _BLOCK.unpack_from(rest)
        samples = np.frombuffer(rest, dtype="<i2", offset=_BLOCK.size).astype(np.float32)
        samples *= np.float32(1 / 32768)
        return Block(samples.reshape(frames, self.format.channels), frame, captured_ns, lost)
