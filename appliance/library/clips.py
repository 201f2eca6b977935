"""The library of clips: the one door to storing, finding, labelling, cutting and deleting them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.audio.flac import Piece, read_flac, write_flac
from appliance.audio.source import Samples
from appliance.clock import Stamp
from appliance.errors import Conflict, InvalidInput
from appliance.events import EventBus
from appliance.library import clip as rows
from appliance.library import history, search, uploads
from appliance.library.clip import Clip
from appliance.library.disk import check_room, disk_errors
from appliance.library.filters import ClipFilter
from appliance.library.history import LabelChange
from appliance.library.ingest import Added, Ingest, NewPiece
from appliance.library.keeping import Keeping
from appliance.library.labelling import Labelling
from appliance.library.loss import Losses
from appliance.library.near_duplicates import NearDuplicates
from appliance.library.removal import Removal
from appliance.library.search import Page
from appliance.library.sessions import Sessions
from appliance.library.speech_filter import SpeechFilter
from appliance.paths import DataFolder
from appliance.store.database import Database

__all__ = ["Added", "Clip", "ClipFilter", "Clips", "LabelChange", "NewPiece", "Page"]

SHORTEST_CUT_S = 0.01
# Who marks the end of a clip may miss it by a little.
CUT_SLACK_S = 0.1


class Clips:
    """Thread-safe. Every change is durable when its call returns, and is told on the bus then:
    topic `clip`, {"action": "added" | "labelled" | "kept" | "released" | "deleted" | "lost" |
    "found", "clips": [ids]}."""

    def __init__(self, db: Database, folder: DataFolder, bus: EventBus) -> None:
        self._db = db
        self._folder = folder
        self.near = NearDuplicates(db)
        self._ingest = Ingest(db, folder, bus, self.near)
        self._labelling = Labelling(db, bus)
        self._removal = Removal(db, folder, bus)
        self.keeping = Keeping(db, bus)
        self.losses = Losses(db, bus)
        self.sessions = Sessions(db)
        # The daemon switches it on where the setting says so.
        self.speech = SpeechFilter(db, bus, on=False)

    # --- sessions ------------------------------------------------------------------------------

    def new_session(self, key: str | None, kind: str, microphone: str | None = None) -> int:
        """Begin a session; without a key it gets one of its own. Conflict when the key is taken."""
        return self.sessions.new(key, kind, microphone)

    def session_for(self, key: str, kind: str, microphone: str | None = None) -> int:
        """The session of that key, begun now if it is new."""
        return self.sessions.get_or_new(key, kind, microphone)

    # --- storing -------------------------------------------------------------------------------

    def add_piece(
        self,
        piece: Piece,
        *,
        source: str,
        session: int,
        label: str | None = None,
        microphone: str | None = None,
        filename: str | None = None,
        stamp: Stamp | None = None,
        frame: int | None = None,
        parent: int | None = None,
        extra: Mapping[str, Any] | None = None,
        author: str = "",
    ) -> tuple[Clip, bool]:
        """Store one FLAC file from `clips/incoming`; the file is moved, or removed when the sound
        is known. Returns the clip and whether it is new.

        A label is applied to a known clip that had none. A known clip with another label keeps
        it: then the returned clip's label is not the one that was given, and the person should
        hear of it (`add_pieces` says so in `refused_label`).
        """
        [added] = self.add_pieces(
            [
                NewPiece(
                    piece,
                    source=source,
                    session=session,
                    label=label,
                    microphone=microphone,
                    filename=filename,
                    stamp=stamp,
                    frame=frame,
                    parent=parent,
                    extra=extra,
                    author=author,
                )
            ]
        )
        return added.clip, added.new

    def add_pieces(self, pieces: Sequence[NewPiece]) -> list[Added]:
        """Store many at once: one moment of fsyncs, one commit; all or nothing."""
        return self._ingest.add(pieces) if pieces else []

    def add_samples(
        self,
        samples: Samples,
        rate: int,
        *,
        source: str,
        session: int,
        label: str | None = None,
        microphone: str | None = None,
        filename: str | None = None,
        start_s: float = 0.0,
        stamp: Stamp | None = None,
        frame: int | None = None,
        parent: int | None = None,
        extra: Mapping[str, Any] | None = None,
        author: str = "",
    ) -> Clip:
        """Store float32 [n] mono of at most 60 s. A known sound gives its clip, as it is."""
        if samples.ndim == 1 and rate > 0 and len(samples) / rate > rows.LONGEST_S + 1:
            raise InvalidInput(
                f"a clip of {len(samples) / rate:.0f} s is too long",
                f"cut it into pieces of at most {rows.LONGEST_S:.0f} s",
            )
        check_room(self._folder)
        target = self._folder.incoming / f"{uuid.uuid4().hex}.flac"
        with disk_errors("writing the clip"):
            piece = write_flac(samples, rate, target, start_s=start_s)
        clip, _ = self.add_piece(
            piece,
            source=source,
            session=session,
            label=label,
            microphone=microphone,
            filename=filename,
            stamp=stamp,
            frame=frame,
            parent=parent,
            extra=extra,
            author=author,
        )
        return clip

    def adopt(self, new: NewPiece) -> Clip | None:
        """A row for a whole file that lies among the clips already; None when its sound is known
        under another name."""
        return self._ingest.adopt(new)

    def cut(
        self, identifier: int, start_s: float, end_s: float, label: str | None, author: str
    ) -> Clip:
        """A stretch of a clip as a new clip of the same session. `label` None leaves it without.

        Raises InvalidInput when the stretch does not lie within the clip, Conflict when that
        sound is a clip already.
        """
        parent = self.get(identifier)
        end = min(end_s, parent.duration_s)
        if not (
            start_s >= 0
            and start_s + SHORTEST_CUT_S <= end
            and end_s <= parent.duration_s + CUT_SLACK_S
        ):
            raise InvalidInput(
                f"clip {identifier} has no stretch from {start_s:g} s to {end_s:g} s",
                f"the start comes first: {end_s:g} {start_s:g}"
                if 0 <= end_s < start_s <= parent.duration_s
                else f"it is {parent.duration_s:.3f} s long; "
                f"a stretch of at least {SHORTEST_CUT_S:g} s can be cut",
            )
        samples, rate = read_flac(self.path(parent))
        first = round(start_s * rate)
        target = self._folder.incoming / f"{uuid.uuid4().hex}.flac"
        with disk_errors("writing the clip"):
            piece = write_flac(
                samples[first : round(end * rate)],
                rate,
                target,
                start_s=parent.start_s + first / rate,
            )
        # One transaction: a Conflict also takes back a label that the known clip was given.
        with self._db.write():
            clip, new = self.add_piece(
                piece,
                source="cut",
                session=parent.session,
                label=label,
                microphone=parent.microphone,
                filename=parent.filename,
                stamp=_later(parent, first / rate),
                frame=None if parent.frame is None else parent.frame + first,
                parent=parent.id,
                extra=parent.extra,
                author=author,
            )
            if not new:
                raise Conflict(
                    f"that stretch is clip {clip.id} already",
                    f"label clip {clip.id}, or cut another",
                )
        return clip

    def sweep(self) -> int:
        """Call once when the daemon starts: removes temporary files of earlier processes."""
        return self._ingest.sweep()

    # --- finding -------------------------------------------------------------------------------

    def get(self, identifier: int) -> Clip:
        """The clip, or NotFound."""
        return rows.get(self._db, identifier)

    def get_many(self, identifiers: Sequence[int]) -> list[Clip]:
        """Those that exist, in the order asked."""
        return rows.get_many(self._db, identifiers)

    def path(self, clip: Clip) -> Path:
        """Where the clip's FLAC file lies."""
        return self._folder.clip(clip.sha256)

    def page(self, wanted: ClipFilter, cursor: str | None = None, limit: int = 50) -> Page:
        """Newest first; see `search`."""
        return search.page(self._db, wanted, cursor, limit)

    def ids(self, wanted: ClipFilter) -> list[int]:
        """All clips of a filter, for a change to all of them."""
        return search.ids(self._db, wanted)

    def count(self) -> int:
        """How many clips there are."""
        row = self._db.row("SELECT count(*) AS n FROM clips")
        return 0 if row is None else int(row["n"])

    # --- labelling and deleting ----------------------------------------------------------------

    def set_label(
        self,
        ids: Sequence[int],
        label: str | None,
        author: str,
        *,
        create: bool = False,
        why: str = "label",
    ) -> int:
        """Label, relabel or (None) unlabel; returns how many clips changed. All or nothing. `why`
        stands in the history.

        NotFound for an unknown clip, and for a label that nobody has created, unless `create`.
        """
        return self._labelling.set(ids, label, author, create=create, why=why)

    def history(self, identifier: int) -> list[LabelChange]:
        """Every label that the clip had, oldest first; also of a clip that was deleted."""
        changes = history.of_clip(self._db, identifier)
        if not changes:
            self.get(identifier)
        return changes

    def delete(self, identifier: int, author: str) -> None:
        """NotFound, or Conflict when a dataset version holds the clip."""
        self._removal.delete(identifier, author)

    def delete_many(self, identifiers: Sequence[int], author: str) -> None:
        """All or none, in one transaction; at most `clip.BATCH`. Raises as `delete`."""
        self._removal.delete_many(identifiers, author)

    # --- what has been imported ----------------------------------------------------------------

    def known_upload(self, sha256: str, piece_seconds: float) -> list[int] | None:
        return uploads.known_upload(self._db, sha256, piece_seconds)

    def remember_upload(self, sha256: str, piece_seconds: float, clip_ids: Sequence[int]) -> None:
        uploads.remember_upload(self._db, sha256, piece_seconds, clip_ids)


def _later(clip: Clip, seconds: float) -> Stamp:
    """The moment that lies `seconds` after the clip's first sample."""
    stamp = Stamp(clip.boot_id, clip.monotonic_ns, clip.recorded_at, clip.clock_synced)
    return replace(
        stamp, monotonic_ns=stamp.monotonic_ns + round(seconds * 1e9), wall=stamp.wall + seconds
    )
