"""Sending files to the daemon: what it knows stays here, the rest goes in batches over several
connections.

Three kinds of threads: one hashes and asks what is known, a few upload, and the caller's counts
and shows. Each file ends as exactly one `Outcome`. Nothing here needs to be undone: a batch that
the daemon has acknowledged is durable, one that was cut off left nothing, so an import that was
stopped is completed by running it again.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.cli.import_folder import Entry, Refused

if TYPE_CHECKING:
    from appliance.client import Client

BATCH_FILES = 24
BATCH_BYTES = 24_000_000
ASK_AT_ONCE = 200
PIECE_SECONDS = 60.0  # the daemon's own: a clip is at most so long
_RETRY_PAUSES_S = (1.0, 2.0, 4.0)


@dataclass
class Outcome:
    """What became of one file. `refused` when it is not in the library; `kept` when it is, under
    another label than the one given now."""

    entry: Entry
    clips: list[int] = field(default_factory=list)
    new: bool = False
    refused: Refused | None = None
    kept: Refused | None = None
    twin_of: Entry | None = None


@dataclass
class _Item:
    entry: Entry
    sha256: str
    size: int


class Uploader:
    """`connect` opens a connection of its own for each thread; `split` is seconds a clip."""

    def __init__(
        self, connect: Callable[[], Client], split: float | None = None, connections: int = 4
    ) -> None:
        self._connect = connect
        self._split = split or PIECE_SECONDS
        self._connections = connections
        self._work: queue.Queue[list[_Item] | None] = queue.Queue(maxsize=connections)
        self._done: queue.Queue[Outcome | BaseException] = queue.Queue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, entries: Sequence[Entry]) -> Iterator[Outcome]:
        """One outcome a file, as they come. Raises ClientError when the daemon cannot go on."""
        self._start(self._prepare, list(entries))
        for _ in range(self._connections):
            self._start(self._upload)
        try:
            for _ in entries:
                outcome = self._done.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            self._stop.set()

    def finish(self, seconds: float) -> Iterator[Outcome]:
        """After an interruption: what still ends within `seconds`."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while not self._done.empty():
            outcome = self._done.get()
            if isinstance(outcome, Outcome):
                yield outcome

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        def guarded() -> None:
            try:
                target(*args)
            except _Stopped:
                return
            except BaseException as error:  # told to the caller, who raises it
                self._stop.set()
                self._done.put(error.cause if isinstance(error, _Fatal) else error)

        # Daemon threads: a second Ctrl-C must not wait for a slow line.
        thread = threading.Thread(target=guarded, name=f"import {target.__name__}", daemon=True)
        thread.start()
        self._threads.append(thread)

    # --- hashing and asking --------------------------------------------------------------------

    def _prepare(self, entries: list[Entry]) -> None:
        first_with: dict[str, Entry] = {}
        batch: list[_Item] = []
        with self._connect() as client:
            for part in _parts(entries):
                items = list(self._hashed(part))
                known = client.post(
                    "/clips/known",
                    {"sha256": [item.sha256 for item in items], "split": self._split},
                )["known"]
                for item in items:
                    twin = first_with.setdefault(item.sha256, item.entry)
                    if twin is not item.entry:
                        self._done.put(Outcome(item.entry, twin_of=twin))
                    elif item.sha256 in known:
                        self._done.put(Outcome(item.entry, clips=list(known[item.sha256])))
                    else:
                        batch.append(item)
                        if _full(batch):
                            self._hand_over(batch)
                            batch = []
        if batch:
            self._hand_over(batch)
        for _ in range(self._connections):
            self._hand_over(None)

    def _hashed(self, entries: Sequence[Entry]) -> Iterator[_Item]:
        for entry in entries:
            if self._stop.is_set():
                raise _Stopped
            try:
                digest = hashlib.sha256()
                size = 0
                with entry.path.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
                        size += len(block)
            except OSError as error:
                self._done.put(_refused(entry, f"cannot be read: {error.strerror}"))
            else:
                yield _Item(entry, digest.hexdigest(), size)

    def _hand_over(self, batch: list[_Item] | None) -> None:
        while not self._stop.is_set():
            try:
                self._work.put(batch, timeout=0.2)
            except queue.Full:
                continue
            return
        raise _Stopped

    # --- sending -------------------------------------------------------------------------------

    def _upload(self) -> None:
        with self._connect() as client:
            while not self._stop.is_set():
                try:
                    batch = self._work.get(timeout=0.2)
                except queue.Empty:
                    continue
                if batch is None:
                    return
                for outcome in self._send(client, batch):
                    self._done.put(outcome)

    def _send(self, client: Client, batch: list[_Item]) -> list[Outcome]:
        """Send a batch; when it is refused as a whole, send each file by itself, so that the one
        at fault is named and the others go in."""
        from appliance.client import ClientError

        try:
            answer = self._post(client, batch)
        except (ClientError, OSError) as error:
            if len(batch) > 1:
                return [outcome for item in batch for outcome in self._send(client, [item])]
            if isinstance(error, ClientError):
                return [_refused(batch[0].entry, error.message, error.advice)]
            return [_refused(batch[0].entry, f"cannot be read: {error.strerror}")]
        return [
            _outcome(item.entry, result)
            for item, result in zip(batch, answer["results"], strict=True)
        ]

    def _post(self, client: Client, batch: list[_Item]) -> Any:
        """The daemon's answer. An error that no other batch would escape ends the import."""
        from appliance.client import ClientError, DaemonUnreachable

        described = [
            {
                "filename": item.entry.name,
                "label": item.entry.label,
                "session": item.entry.session,
                "extra": item.entry.extra,
            }
            for item in batch
        ]
        form = {"split": f"{self._split:g}", "items": json.dumps(described)}
        # The true names go with `items`: a part's own name would have to be escaped.
        files = [(f"{number}", item.entry.path) for number, item in enumerate(batch)]
        for pause in (*_RETRY_PAUSES_S, None):
            try:
                return client.upload("/clips", files, form)
            except DaemonUnreachable as error:
                # It may have closed the line on this body only, for being too large.
                if client.healthy():
                    raise
                raise _Fatal(error) from error
            except ClientError as error:
                if error.status in (401, 403, 507):
                    raise _Fatal(error) from error
                if error.status not in (429, 503):
                    raise
                if pause is None:
                    raise _Fatal(error) from error
                time.sleep(pause)
        raise AssertionError("unreachable: the last pause returns or raises")


class _Stopped(Exception):
    """Somebody else ended the import; nobody needs to hear of this."""


class _Fatal(Exception):
    """Wraps the error that ends the whole import; `cause` is what the caller is told."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _parts(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """A batch first, so that the daemon has work while the others are hashed."""
    if entries:
        yield entries[:BATCH_FILES]
    for start in range(BATCH_FILES, len(entries), ASK_AT_ONCE):
        yield entries[start : start + ASK_AT_ONCE]


def _full(batch: list[_Item]) -> bool:
    return len(batch) >= BATCH_FILES or sum(item.size for item in batch) >= BATCH_BYTES


def _refused(entry: Entry, cause: str, advice: str = "") -> Outcome:
    return Outcome(entry, refused=Refused(entry.name, cause, advice))


def _outcome(entry: Entry, result: dict[str, Any]) -> Outcome:
    ids = [clip["id"] for clip in result["clips"]]
    problem = result.get("error")
    if problem is None:
        return Outcome(entry, ids, new=result["new"])
    said = Refused(entry.name, str(problem.get("detail") or problem), problem.get("advice") or "")
    if ids:
        return Outcome(entry, ids, new=result["new"], kept=said)
    return Outcome(entry, refused=said)
