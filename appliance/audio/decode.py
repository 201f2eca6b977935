"""Foreign files become clips or samples, in children that may do little harm.

    daemon threads -> Decoder.to_flac / to_pcm -> one of N persistent children (decode_child.py)

A request and its reply are one small JSON message each; sound never passes through the channel:
the child writes FLAC files, or samples into a memfd that it was handed. While it works the child
sends signs of life. One that dies or falls silent is replaced, and the file that it worked on is
reported as the culprit.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from appliance.audio.children import end_child
from appliance.audio.flac import MAX_RATE, Piece
from appliance.audio.message import receive, send
from appliance.audio.source import Samples
from appliance.errors import DecodeError, InvalidInput, LowSpace, Unavailable

__all__ = ["Decoder", "Piece"]

log = logging.getLogger(__name__)

MAX_PIECE_SECONDS = 60.0
MIN_PIECE_SECONDS = 0.5
# A minute of sound takes a slow box about a second; this only ends what will never end.
SILENCE_LIMIT_S = 60.0

_ENVIRONMENT = {
    # One thread a child: numpy's BLAS would reserve address space for each core.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # Arrays of a clip's size are taken from the heap again and again, rather than mapped, zeroed
    # by the kernel and given back each time.
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
}


class Decoder:
    """A pool of decoding children. Every method may be called from several threads at once."""

    def __init__(self, workers: int = 2, *, silence_limit_s: float = SILENCE_LIMIT_S) -> None:
        self._wanted = max(1, workers)
        self._silence_limit_s = silence_limit_s
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._count = 0
        self._closed = threading.Event()

    def start(self) -> None:
        """Start the children now rather than with the first file."""
        with self._changed:
            while self._count < self._wanted and not self._closed.is_set():
                self._idle.append(_Worker())
                self._count += 1

    def close(self) -> None:
        """End the children; a request still under way raises Unavailable."""
        with self._changed:
            self._closed.set()
            idle, self._idle = self._idle, []
            self._count -= len(idle)
            for worker in self._busy:
                worker.kill()
            self._changed.notify_all()
        for worker in idle:
            worker.end()

    def to_flac(
        self,
        path: Path,
        folder: Path,
        *,
        piece_seconds: float = MAX_PIECE_SECONDS,
        max_seconds: float = 4 * 3600.0,
    ) -> list[Piece]:
        """Decode `path` and write it into `folder` as mono 16-bit FLAC files, not yet fsynced.

        Channels are averaged; rates above 48 kHz become 48 kHz, others stay. The sound is cut
        every `piece_seconds` (0.5 to 60); an end shorter than 0.1 s stays with the piece before
        it. The files have new random names ending in `.flac`; the caller moves or removes them.
        Raises DecodeError (nothing is left in `folder` then), LowSpace, Unavailable.
        """
        if not MIN_PIECE_SECONDS <= piece_seconds <= MAX_PIECE_SECONDS:
            raise InvalidInput(
                f"clips of {piece_seconds:g} s are not possible",
                f"give {MIN_PIECE_SECONDS:g} to {MAX_PIECE_SECONDS:g} seconds",
            )
        prefix = f"piece-{secrets.token_hex(8)}-"
        request = {
            "do": "flac",
            "path": str(path.absolute()),
            "folder": str(folder.absolute()),
            "prefix": prefix,
            "piece_seconds": piece_seconds,
            "max_seconds": max_seconds,
        }
        try:
            reply = self._ask(request)
        except BaseException:
            for leftover in folder.glob(prefix + "*"):
                leftover.unlink(missing_ok=True)
            raise
        return [_piece(folder, fact) for fact in reply["pieces"]]

    def to_pcm(self, path: Path, rate: int, *, max_seconds: float = 3600.0) -> Samples:
        """Decode `path` to mono float32 [n] at `rate`. Raises DecodeError, Unavailable."""
        if not 1000 <= rate <= MAX_RATE:
            raise InvalidInput(f"cannot decode to {rate} Hz", f"give 1000 to {MAX_RATE} Hz")
        memory = os.memfd_create("earmark-pcm", os.MFD_CLOEXEC)
        try:
            request = {
                "do": "pcm",
                "path": str(path.absolute()),
                "rate": rate,
                "max_seconds": max_seconds,
            }
            frames = int(self._ask(request, memory)["frames"])
            if os.fstat(memory).st_size < 4 * frames:
                raise DecodeError("the decoder gave less sound than it said", "try again")
            view = mmap.mmap(memory, 4 * frames, flags=mmap.MAP_PRIVATE)
            return np.frombuffer(view, dtype=np.float32, count=frames)
        finally:
            os.close(memory)

    def _ask(self, request: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        for attempt in (1, 2):
            worker = self._borrow()
            try:
                reply = worker.ask(request, descriptor, self._silence_limit_s)
            except _WorkerDied as died:
                self._give_back(worker, alive=False)
                with self._changed:
                    if self._closed.is_set():
                        raise Unavailable("the daemon is stopping", "try again later") from None
                # SIGKILL comes from outside (a person, the kernel short of memory): the file may
                # be innocent. A child that was dead before it got the request surely is.
                if died.innocent:
                    log.warning("a decoder was killed from outside (attempt %d)", attempt)
                    continue
                log.warning("a decoder ended while it decoded: %s", died)
                raise DecodeError(f"the file cannot be decoded: {died}", died.advice) from None
            except BaseException:
                self._give_back(worker, alive=False)
                raise
            self._give_back(worker, alive=True)
            return _checked(reply)
        raise Unavailable(
            "the decoder was killed from outside, twice; the memory may be short",
            "end other programs, then send the file again",
        )

    def _borrow(self) -> _Worker:
        with self._changed:
            while True:
                if self._closed.is_set():
                    raise Unavailable("the decoder is closed", "the daemon is stopping")
                if self._idle:
                    worker = self._idle.pop()
                    self._busy.add(worker)
                    return worker
                if self._count < self._wanted:
                    self._count += 1
                    break
                self._changed.wait()
        try:
            worker = _Worker()
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._busy.add(worker)
            if self._closed.is_set():
                worker.kill()
        return worker

    def _give_back(self, worker: _Worker, *, alive: bool) -> None:
        with self._changed:
            self._busy.discard(worker)
            keep = alive and not self._closed.is_set()
            if keep:
                self._idle.append(worker)
            else:
                self._count -= 1
            self._changed.notify()
        if not keep:
            worker.end()


def _piece(folder: Path, fact: dict[str, Any]) -> Piece:
    return Piece(path=folder / fact.pop("name"), **fact)


def _checked(reply: dict[str, Any]) -> dict[str, Any]:
    if "error" not in reply:
        return reply
    kind = {"no space": LowSpace, "broken": Unavailable}.get(reply.get("kind", ""), DecodeError)
    if kind is Unavailable:
        log.error("the decoder failed: %s", reply.get("trace", reply["error"]))
    raise kind(reply["error"], reply.get("advice", ""))


class _WorkerDied(Exception):
    def __init__(self, message: str, advice: str, *, innocent: bool = False) -> None:
        super().__init__(message)
        self.advice = advice
        self.innocent = innocent


class _Worker:
    """One child and the socket to it; used by one thread at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {**os.environ, **_ENVIRONMENT}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "appliance.audio.decode_child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
            )

    def ask(
        self, request: dict[str, Any], descriptor: int | None, silence_limit_s: float
    ) -> dict[str, Any]:
        try:
            send(self._socket, request, descriptor)
        except OSError:
            self._wait()
            raise _WorkerDied("it had ended before", "try again", innocent=True) from None
        self._socket.settimeout(silence_limit_s)
        try:
            while True:
                reply, _ = receive(self._socket)
                if not reply.get("alive"):
                    return reply
        except TimeoutError:
            raise _WorkerDied(
                f"the decoder did not move for {silence_limit_s:g} s",
                "check the disk that holds the file; convert the file with another program",
            ) from None
        except (OSError, EOFError, json.JSONDecodeError):
            raise self._epitaph() from None

    def _epitaph(self) -> _WorkerDied:
        code = self._wait()
        if code == -signal.SIGXCPU:
            return _WorkerDied(
                "it takes far more processor time than sound of its length should",
                "the file is damaged or made to do harm; export it again",
            )
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return _WorkerDied(
            f"it crashed the decoder ({name})",
            "the file is damaged; export it again from where it came from",
            innocent=code == -signal.SIGKILL,
        )

    def _wait(self) -> int:
        """How it ended; its side of the channel is closed already."""
        end_child(self.process, 5.0)
        return self.process.returncode or 0

    def kill(self) -> None:
        """Break off what it does; whoever waits for the answer learns of its death."""
        self.process.kill()

    def end(self) -> None:
        """Close the channel, which ends an idle child; kill one that is still busy."""
        self._socket.close()
        end_child(self.process, 0.5)
