"""One multipart body, byte by byte: fields to memory, files to disk, each hashed on its way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from python_multipart.multipart import MultipartParser, parse_options_header

from appliance.errors import InvalidInput, TooLarge
from appliance.units import human_size

MOST_FILES = 64
MOST_FIELDS = 64
FIELD_BYTES = 1 << 20
# What a browser's form writes for these in a file's name.
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


@dataclass(frozen=True)
class ReceivedFile:
    """One file part on disk. `filename` is what the client calls it: shown, never a path."""

    number: int
    filename: str
    path: Path
    size: int
    sha256: str


@dataclass
class Form:
    """A whole multipart body."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[ReceivedFile] = field(default_factory=list)


class Worker(Protocol):
    """Somebody who begins with a file while the next one still comes."""

    def on_file(self, file: ReceivedFile, form: Form) -> None:
        """A file is complete; `form` holds the parts before it. On a worker thread."""

    def end(self) -> None:
        """The files are about to go: stop whatever still uses them. Always called."""


class Sink:
    """Takes the body's bytes: fields to memory, files to disk. Used by one thread at a time."""

    def __init__(
        self,
        work: Path,
        boundary: bytes,
        cap: int,
        worker: Worker | None,
        check_room: Callable[[int], None],
    ) -> None:
        """check_room: raises LowSpace when so many more bytes have no room."""
        self._check_room = check_room
        self.form = Form()
        self._work = work
        self._cap = cap
        self._worker = worker
        self._total = 0
        self._header = self._value = b""
        self._disposition = b""
        self._name = ""
        self._filename = ""
        self._text = bytearray()
        self._out: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._size = 0
        self._parts = 0
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._open,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all,
            },
        )

    def write(self, block: bytes) -> None:
        self._total += len(block)
        if self._total > self._cap:
            raise TooLarge(
                f"the body is larger than {human_size(self._cap)}: nothing of it was kept",
                "send fewer files in a request, or raise the setting http.max_upload_mb",
            )
        self._check_room(len(block))
        self._parser.write(block)

    def finish(self, block: bytes) -> None:
        if block:
            self.write(block)
        self._parser.finalize()
        if not self._complete:
            raise InvalidInput(
                "the multipart body ends before its last boundary: nothing of it was kept",
                "send it again",
            )

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None

    # --- what the parser meets -----------------------------------------------------------------

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_FILES + MOST_FIELDS:
            raise InvalidInput(
                "the body has too many parts", f"send at most {MOST_FILES} files in a request"
            )
        self._header = self._value = self._disposition = b""
        self._text = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""), "the name of a part")
        if b"filename" not in options:
            if not self._name:
                raise InvalidInput("a part has no name", "call the parts `file`, `label`, ...")
            return
        if self._name != "file":
            raise InvalidInput(
                f"a file came in a part called {self._name[:40]!r}", "call the part `file`"
            )
        number = len(self.form.files)
        if number >= MOST_FILES:
            raise InvalidInput(
                f"more than {MOST_FILES} files in one request",
                f"send at most {MOST_FILES} at a time",
            )
        self._filename = _text(options[b"filename"], "the name of a file")
        for escape, character in _ESCAPES.items():
            self._filename = self._filename.replace(escape, character)
        # Closed by `_end`, or by `close` when the request fails.
        self._out = (self._work / f"{number:03d}").open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._size = 0

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._out is not None:
            piece = memoryview(data)[start:end]
            self._hash.update(piece)
            self._size += len(piece)
            while piece:
                piece = piece[self._out.write(piece) :]
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_BYTES:
            raise TooLarge(
                f"the part {self._name[:40]!r} is larger than {human_size(FIELD_BYTES)}",
                "send fewer files in a request",
            )

    def _end(self) -> None:
        if self._out is None:
            if self._name in self.form.fields:
                raise InvalidInput(f"the part {self._name[:40]!r} came twice", "send it once")
            self.form.fields[self._name] = _text(bytes(self._text), f"the part {self._name!r}")
            return
        self._out.close()
        self._out = None
        number = len(self.form.files)
        file = ReceivedFile(
            number,
            self._filename,
            self._work / f"{number:03d}",
            self._size,
            self._hash.hexdigest(),
        )
        self.form.files.append(file)
        if self._worker is not None:
            self._worker.on_file(file, self.form)

    def _all(self) -> None:
        self._complete = True


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{what[:60]} is not UTF-8 text", "send it in UTF-8") from None
