"""Where everything lies in the data folder."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from appliance.errors import InvalidInput, Unavailable
from appliance.reserve import Reserve

SERVICE_SOCKET = Path("/run/earmark/api.sock")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"V\d{3,}")


def default_data_folder() -> Path:
    """`EARMARK_DATA`, else the user's own data folder."""
    if given := os.environ.get("EARMARK_DATA"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "earmark"


class DataFolder:
    """Names every file of a data folder. No path ever comes from a client: only ids and hashes."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.database = self.root / "earmark.db"
        self.clips = self.root / "clips"
        self.incoming = self.root / "clips" / "incoming"
        self.datasets = self.root / "datasets"
        self.jobs = self.root / "jobs"
        self.versions = self.root / "versions"
        self.engines = self.root / "engines"
        self.backups = self.root / "backups"
        self.copies = self.root / "database-copies"
        self.quarantine = self.root / "quarantine"
        self.history = self.root / "history"
        self.hooks = self.root / "hooks"
        self.token = self.root / "token"
        self.socket = self.root / "api.sock"
        self.lock = self.root / "daemon.lock"
        self.audit = self.root / "audit.log"
        self.settings = self.root / "earmark.toml"
        self.box = self.root / "box-id"
        self.notices = self.root / "notices.json"
        self.rebuild = self.root / "rebuild.json"
        self.restoring = self.root / "restore-unfinished"
        self.restored = self.root / "restored-from"
        self.reserve = Reserve(self.root / "reserve")

    def create(self) -> None:
        """Make the folders; the root is for the owner alone, since it holds people's sounds. Raises
        Unavailable where that cannot be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
        except OSError as error:
            raise Unavailable(
                f"the data folder {self.root} cannot be made: {error.strerror}",
                "name one that you may write to, with --data or EARMARK_DATA",
            ) from None
        for folder in (self.clips, self.incoming, self.datasets, self.jobs, self.versions):
            folder.mkdir(exist_ok=True)
        self.engines.mkdir(mode=0o700, exist_ok=True)

    def clip(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise InvalidInput(f"not a clip's hash: {sha256[:80]!r}")
        return self.clips / sha256[:2] / f"{sha256}.flac"

    def dataset(self, name: str) -> Path:
        if not _DATASET.fullmatch(name):
            raise InvalidInput(
                f"not a dataset version's name: {name[:80]!r}",
                "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            )
        return self.datasets / f"{name}.json"

    def job(self, identifier: int) -> Path:
        return self.jobs / str(identifier)

    def version(self, name: str) -> Path:
        if not _VERSION.fullmatch(name):
            raise InvalidInput(
                f"not a version's name: {name[:80]!r}", "versions are called V001, V002, ..."
            )
        return self.versions / name


def write_durably(place: Path, content: bytes, *, name_too: bool = True) -> None:
    """Write the whole of `place` anew: a power cut leaves the old content or the new one. With
    `name_too` False its name is left to a later `fsync_folder`, for many files at once."""
    partial = place.with_name(f".{place.name}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.rename(place)
    if name_too:
        fsync_folder(place.parent)


def file_hash(file: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fsync_file(path: Path) -> None:
    """Make what `path` holds survive a power cut; its name is for `fsync_folder`."""
    # Another process may have written it: what its writing failed at is reported here all the
    # same, to whoever asks first (Linux 4.16 and later).
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
