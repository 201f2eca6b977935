"""A version as one file, to carry to another box, and the careful way back in.

The file is a zip with a fixed set of entries. Nothing in it is trusted: names must be those
expected, entries regular and within their sizes, hashes as listed; nothing is unpacked by
`extractall`. The network itself is opened and tried in a child process (`inspection`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from appliance import __version__
from appliance.errors import EarmarkError, InvalidInput, TooLarge
from appliance.models.card import read_json
from appliance.models.inspection import inspect_version
from appliance.models.result import FILES, file_sha256
from appliance.models.version import IMPORTED, Version
from appliance.models.versions import Versions
from appliance.paths import fsync_folder

FORMAT = 1
MANIFEST, LINEAGE = "manifest.json", "lineage.json"
MOST_BYTES = {
    MANIFEST: 1 << 20,
    LINEAGE: 64 << 20,
    "card.json": 1 << 20,
    "evaluation.json": 64 << 20,
    "model.onnx": 64 << 20,
    "model.safetensors": 64 << 20,
    "reference.npz": 96 << 20,
}
"""Every entry that may be there, and its largest size when unpacked."""

LARGEST_ARCHIVE = 384 << 20
LARGEST_RATIO = 100
_RATIO_MATTERS = 1 << 20
_BLOCK = 1 << 20
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same version gives the same file
_STOPPED = ("converged", "time limit", "cancelled")
_ADVICE = "export the version again on the box that it comes from"


def export_version(versions: Versions, name: str, file: Path) -> None:
    """Write version `name` to the new file `file`. Raises NotFound."""
    version = versions.get(name)
    folder = versions.path(name)
    lineage = json.dumps(versions.lineage(name), ensure_ascii=False).encode()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "earmark": __version__,
        "version": version.name,
        "created_at": version.created_at,
        "stopped": version.stopped,
        "seconds": version.seconds,
        "note": version.note,
        "files": {
            entry: {
                "size": (folder / entry).stat().st_size,
                "sha256": file_sha256(folder / entry),
            }
            for entry in FILES
        },
    }
    manifest["files"][LINEAGE] = {
        "size": len(lineage),
        "sha256": hashlib.sha256(lineage).hexdigest(),
    }
    with zipfile.ZipFile(file, "x") as archive:
        _add(archive, MANIFEST, json.dumps(manifest, indent=1).encode())
        _add(archive, LINEAGE, lineage)
        for entry in FILES:
            _add(archive, entry, (folder / entry).read_bytes())


def import_version(versions: Versions, file: Path) -> Version:
    """Take a version in from an archive, under the next number of this box.

    Raises InvalidInput (or TooLarge) naming what is wrong; nothing has changed then.
    """
    if file.stat().st_size > LARGEST_ARCHIVE:
        raise TooLarge(f"the archive has more than {LARGEST_ARCHIVE >> 20} MB", _ADVICE)
    with _incoming(versions) as folder:
        manifest = _unpack(file, folder)
        inspect_version(folder)
        origin = read_json(folder / LINEAGE)
        (folder / LINEAGE).unlink()
        (folder / MANIFEST).unlink()
        return versions.publish(
            folder,
            job=None,
            dataset_version=None,
            parent=None,
            stopped=_stopped(manifest),
            seconds=_seconds(manifest),
            source=IMPORTED,
            note=_text(manifest.get("note")),
            lineage={"version": _text(manifest.get("version")), "lineage": origin},
        )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _FIXED_TIME)
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    # Weights hardly shrink, and a stored entry has no ratio to be suspicious of.
    entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
    archive.writestr(entry, content)


@contextmanager
def _incoming(versions: Versions) -> Iterator[Path]:
    """A folder beside the versions, gone at the end unless it became one by a rename."""
    folder = versions.path("V001").with_name(f"incoming-{uuid.uuid4().hex}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Write the entries into `folder`, durably; the checked manifest."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if len(entries) != len(archive.infolist()):
                raise InvalidInput("the archive holds an entry twice", _ADVICE)
            _check_entries(entries)
            hashes = {}
            for name, entry in entries.items():
                with archive.open(entry) as content:
                    hashes[name] = _write(content, folder / name, entry.file_size)
    except EarmarkError:
        raise
    # zipfile raises each of these for one kind of damage or another.
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
    ) as error:
        raise InvalidInput(f"not an archive of a version: {error}", _ADVICE) from None
    fsync_folder(folder)
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise InvalidInput(
            f"the archive has format {manifest.get('format')!r}, this Earmark reads {FORMAT}",
            "upgrade this box, or export from one of the same release",
        )
    listed = manifest.get("files")
    for name, sha256 in hashes.items():
        facts = listed.get(name) if isinstance(listed, dict) else None
        if name != MANIFEST and (not isinstance(facts, dict) or facts.get("sha256") != sha256):
            raise InvalidInput(f"{name} in the archive is not what its manifest lists", _ADVICE)
    return manifest


def _check_entries(entries: dict[str, zipfile.ZipInfo]) -> None:
    if unknown := sorted(set(entries) - set(MOST_BYTES)):
        raise InvalidInput(f"the archive holds a foreign entry {unknown[0][:80]!r}", _ADVICE)
    if missing := sorted(set(MOST_BYTES) - set(entries)):
        raise InvalidInput(f"the archive lacks {missing[0]}", _ADVICE)
    for name, entry in entries.items():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.is_dir():
            raise InvalidInput(f"{name} in the archive is no regular file", _ADVICE)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidInput(f"{name} in the archive is packed in an unusual way", _ADVICE)
        if entry.file_size > MOST_BYTES[name]:
            raise TooLarge(f"{name} in the archive has {entry.file_size} bytes", _ADVICE)
        packed = max(entry.compress_size, 1)
        if entry.file_size > _RATIO_MATTERS and entry.file_size / packed > LARGEST_RATIO:
            raise TooLarge(f"{name} in the archive unpacks to over {LARGEST_RATIO} times", _ADVICE)


def _write(content: IO[bytes], target: Path, size: int) -> str:
    """Never more than the size that was announced; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        left = size
        while block := content.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise TooLarge(f"{target.name} in the archive is larger than it says", _ADVICE)
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _stopped(manifest: dict[str, Any]) -> str:
    value = manifest.get("stopped")
    return value if value in _STOPPED else _STOPPED[0]


def _seconds(manifest: dict[str, Any]) -> float:
    value = manifest.get("seconds")
    good = isinstance(value, (int, float)) and 0 <= value < 1e9
    return float(value) if good else 0.0  # type: ignore[arg-type]


def _text(value: object) -> str:
    return value[:2000] if isinstance(value, str) else ""
