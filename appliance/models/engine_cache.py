"""Compiled engines on disk: found by what they were made for, and refused when altered

An engine is native code, so only this device may have made it: a keyed hash (HMAC-SHA256) over
its name, its facts and its bytes, with a key that only the daemon's user can read. The folder is
0700. Names come from fingerprints, never from a client.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import EngineError
from appliance.paths import fsync_folder

log = logging.getLogger(__name__)

KEY_FILE = "device.key"
KEY_BYTES = 32
KEPT = 12
"""Engines that are kept, the last used ones; a rollback then needs no building."""
LARGEST_ENGINE = 512 << 20


class StaleEngine(EngineError):
    """An engine that must not be used and has to be built anew: altered, or refused by its
    runtime."""


@dataclass(frozen=True)
class Stored:
    """An engine as it was put in: its bytes, and facts about it (key, certificate)."""

    content: bytes
    facts: dict[str, Any]


class EngineCache:
    """`engines/<fingerprint>.engine` with a signed `.json` beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for left in folder.glob("*.new"):  # of a write that a power cut ended
            left.unlink()
        self._key = self._read_or_make_key()

    def path(self, fingerprint: str) -> Path:
        """Where the engine with this fingerprint lies, if it does."""
        return self.folder / f"{fingerprint}.engine"

    def get(self, fingerprint: str) -> Stored | None:
        """The engine, or None when there is none. Raises StaleEngine when it was altered; it
        is gone from the cache then."""
        try:
            facts_file = self._facts_path(fingerprint).read_bytes()
            content = _read_regular(self.path(fingerprint))
        except FileNotFoundError:
            self.remove(fingerprint)
            return None
        except OSError as error:  # a link in place of a file, a damaged disk
            self.remove(fingerprint)
            raise StaleEngine(f"the engine {fingerprint[:12]} is not used: {error}") from error
        problem = self._problem(fingerprint, facts_file, content)
        if problem is not None:
            self.remove(fingerprint)
            raise StaleEngine(f"the engine {fingerprint[:12]} is not used: {problem}")
        os.utime(self.path(fingerprint))
        return Stored(content, json.loads(facts_file)["facts"])

    def put(self, fingerprint: str, content: bytes, facts: dict[str, Any]) -> None:
        """Keep an engine, durably; the oldest ones over `KEPT` go."""
        text = json.dumps(facts, sort_keys=True)
        signed = {"facts": facts, "hmac": self._sign(fingerprint, text, content)}
        # Facts last: an engine without them is not there.
        self._write(self.path(fingerprint), content)
        self._write(self._facts_path(fingerprint), json.dumps(signed).encode())
        self._tidy()

    def remove(self, fingerprint: str) -> None:
        self._facts_path(fingerprint).unlink(missing_ok=True)
        self.path(fingerprint).unlink(missing_ok=True)

    def _facts_path(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.json"

    def _problem(self, fingerprint: str, facts_file: bytes, content: bytes) -> str | None:
        try:
            signed = json.loads(facts_file)
            text = json.dumps(signed["facts"], sort_keys=True)
            known = str(signed["hmac"])
        except (ValueError, KeyError, TypeError):
            return "its facts cannot be read"
        if not hmac.compare_digest(known, self._sign(fingerprint, text, content)):
            return "it was altered, or made by another device"
        return None

    def _sign(self, fingerprint: str, facts: str, content: bytes) -> str:
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (fingerprint.encode(), facts.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
        digest.update(content)
        return digest.hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        new = path.with_name(path.name + ".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        fsync_folder(self.folder)

    def _tidy(self) -> None:
        engines = sorted(self.folder.glob("*.engine"), key=lambda file: -file.stat().st_mtime)
        for file in engines[KEPT:]:
            self.remove(file.stem)

    def _read_or_make_key(self) -> bytes:
        path = self.folder / KEY_FILE
        with contextlib.suppress(FileNotFoundError):
            key = _read_regular(path)
            mode = stat.S_IMODE(path.stat().st_mode)
            if len(key) == KEY_BYTES and mode & 0o077 == 0:
                return key
            # Whoever could read or write it could have signed an engine.
            log.warning("%s is damaged or open to others: a new one is made", path)
            path.unlink()
        key = secrets.token_bytes(KEY_BYTES)
        self._write(path, key)
        return key


def _read_regular(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST_ENGINE:
            raise EngineError(f"{path} is larger than {LARGEST_ENGINE >> 20} MB")
        return file.read()
