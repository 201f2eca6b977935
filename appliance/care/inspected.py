"""What the look at the library saw: one file, and the table of the runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from appliance.audio.flac import Piece, describe_flac
from appliance.errors import DecodeError
from appliance.paths import file_hash
from appliance.store.database import Database


@dataclass(frozen=True)
class InspectedFile:
    """`piece`: what the file holds, None unless it is whole; `problem`: why it is not."""

    path: Path
    size: int
    piece: Piece | None
    problem: str = ""

    @property
    def whole(self) -> bool:
        return self.piece is not None

    @classmethod
    def read(cls, path: Path) -> InspectedFile:
        """Read it all. A file that the disk does not give is not whole either."""
        size = 0
        try:
            size = path.stat().st_size
            sha256 = file_hash(path)
            if path.name != f"{sha256}.flac":
                return cls(path, size, None, "its content is not what its name says")
            return cls(path, size, describe_flac(path, sha256))
        except FileNotFoundError:
            raise
        except OSError as error:
            return cls(path, size, None, f"it cannot be read: {error.strerror}")
        except DecodeError as error:
            return cls(path, size, None, str(error))


@dataclass(frozen=True)
class Inspected:
    """A run. state: running, done, or stopped (`stopped` says why). `files`: looked at; `adopted`:
    made clips again; `quarantined`: set aside; `missing`: clips whose file was found gone;
    `healed`: brought back from a backup; `shard`: the folder that was looked at last."""

    id: int = 0
    state: str = "none"
    adopting: bool = False
    shard: str = ""
    files: int = 0
    adopted: int = 0
    quarantined: int = 0
    missing: int = 0
    healed: int = 0
    began_at: float = 0.0
    ended_at: float | None = None
    stopped: str = ""


_COUNTS = ("shard", "files", "adopted", "quarantined", "missing", "healed", "stopped")


class Inspections:
    """The table `inspections`, and what a run asks of the table of clips."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def latest(self) -> Inspected | None:
        row = self._db.row("SELECT * FROM inspections ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        state = "running" if row["ended_at"] is None else "stopped" if row["stopped"] else "done"
        return Inspected(**{**row, "adopting": bool(row["adopting"]), "state": state})

    def resume(self, adopting: bool) -> Inspected:
        """The run that was cut short by the end of a daemon, else a new one."""
        last = self.latest()
        if last is not None and last.state == "running" and last.adopting == adopting:
            return last
        with self._db.write() as tx:
            tx.conn.execute("UPDATE inspections SET ended_at = began_at WHERE ended_at IS NULL")
            tx.conn.execute(
                "INSERT INTO inspections (adopting, began_at) VALUES (?, ?)",
                (int(adopting), time.time()),
            )
        begun = self.latest()
        assert begun is not None
        return begun

    def save(self, run: Inspected) -> None:
        columns = ", ".join(f"{name} = ?" for name in _COUNTS)
        ended = None if run.state == "running" else time.time()
        with self._db.write() as tx:
            tx.conn.execute(
                f"UPDATE inspections SET {columns}, ended_at = ? WHERE id = ?",
                [*(getattr(run, name) for name in _COUNTS), ended, run.id],
            )

    def library(self) -> tuple[int, int]:
        """How many clips there are, and their bytes."""
        row = self._db.row("SELECT count(*) AS n, coalesce(sum(size), 0) AS size FROM clips")
        return (0, 0) if row is None else (int(row["n"]), int(row["size"]))

    def rows(self, shard: str) -> dict[str, int]:
        """Clips by the hashes of their files, of those that lie in `clips/<shard>`."""
        # "g" follows every hex digit: the index on sha256 answers this.
        rows = self._db.rows(
            "SELECT id, sha256 FROM clips WHERE sha256 >= ? AND sha256 < ?", (shard, f"{shard}g")
        )
        return {row["sha256"]: row["id"] for row in rows}

    def clip(self, sha256: str) -> int | None:
        """The clip whose file has this hash, now."""
        row = self._db.row("SELECT id FROM clips WHERE sha256 = ?", (sha256,))
        return None if row is None else int(row["id"])

    def sound(self, pcm_sha256: str) -> int | None:
        """The clip that holds this sound, whatever its file is called."""
        row = self._db.row("SELECT id FROM clips WHERE pcm_sha256 = ?", (pcm_sha256,))
        return None if row is None else int(row["id"])

    def is_marked(self, clip: int) -> bool:
        """Whether it is known already that its sound is lost."""
        row = self._db.row("SELECT missing_since FROM clips WHERE id = ?", (clip,))
        return row is not None and row["missing_since"] is not None
