"""The table of detections: stored as they are decided, reviewed by people, never rewritten."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from appliance import clock
from appliance.errors import EarmarkError, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.labels import all_labels, find_label, find_or_create
from appliance.library.microphones import find_microphone
from appliance.library.names import label_name
from appliance.live.detection import (
    CONFIRMED,
    REFUTED,
    SPEECH,
    Detection,
    DetectionPage,
    NewDetection,
    from_row,
)
from appliance.models.version import every_class
from appliance.store.database import Database
from appliance.text import did_you_mean

__all__ = ["Detection", "DetectionPage", "Detections"]

log = logging.getLogger(__name__)

LARGEST_PAGE = 1000
WHY = "review"
"""What the history of a label says when a review gave it."""
# A detection's own clip comes within this time.
FRESH_S = 75.0
_INSERT = """
    INSERT INTO detections (microphone, label, score, peak, version, deployment_id, started_at,
        boot_id, monotonic_ns, clock_synced, delay_ms, onset_delay_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Detections:
    """Thread-safe. Topic `detection` on the bus: {"what": "new" | "ended" | "clip" | "no clip" |
    "reviewed", "detection": {...}}."""

    def __init__(self, db: Database, clips: Clips, bus: EventBus) -> None:
        self._db = db
        self.clips = clips
        self._bus = bus
        # The daemon sets it: the sound of a detection whose clip was not kept, as a clip's id.
        self.find_sound: Callable[[Detection], int | None] = lambda _: None

    # --- reading -------------------------------------------------------------------------------

    def get(self, identifier: int) -> Detection:
        """Raises NotFound."""
        row = self._db.row("SELECT * FROM detections WHERE id = ?", (identifier,))
        if row is None:
            raise NotFound(
                f"there is no detection {identifier}", "list them with `earmark detections`"
            )
        return from_row(row)

    def page(
        self,
        *,
        label: str | None = None,
        microphone: str | None = None,
        since: float | None = None,
        until: float | None = None,
        review: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DetectionPage:
        """The newest first. `microphone`: id or name, also of one that was removed; since, until
        (excluded): epoch seconds; `review`: "confirmed", "refuted", or "none" for those that
        nobody has looked at. Raises NotFound for a label or microphone that nothing knows."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"a page of {limit} detections", f"ask for 1 to {LARGEST_PAGE}")
        where, values = ["TRUE"], list[Any]()
        for condition, value in (
            ("label = ?", self._known_label(label)),
            ("microphone = ?", self._known_microphone(microphone)),
            ("started_at >= ?", since),
            ("started_at < ?", until),
            ("id < ?", _position(cursor)),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if review == "none":
            where.append("review IS NULL")
        elif review is not None:
            where.append("review = ?")
            values.append(_review(review))
        rows = self._db.rows(
            f"SELECT * FROM detections WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
            [*values, limit + 1],
        )
        items = [from_row(row) for row in rows[:limit]]
        return DetectionPage(items, str(items[-1].id) if len(rows) > limit else None)

    def sounding(self) -> list[Detection]:
        """Those that have not ended yet."""
        rows = self._db.rows("SELECT * FROM detections WHERE ended_at IS NULL ORDER BY id")
        return [from_row(row) for row in rows]

    def count(self) -> int:
        row = self._db.row("SELECT count(*) AS n FROM detections")
        return 0 if row is None else int(row["n"])

    def _known_label(self, label: str | None) -> str | None:
        """A label that a detection has, or may get: one of the library or of a version. NotFound
        for any other, since "none was heard" would hide a slip of the pen."""
        if label is None or self._db.row(
            "SELECT 1 FROM detections WHERE label = ? LIMIT 1", (label,)
        ):
            return label
        known = every_class(self._db) | {found.name for found in all_labels(self._db)}
        if label not in known:
            raise NotFound(
                f"there is no label {label!r}",
                did_you_mean(label, sorted(known)) or "`earmark labels` lists them",
            )
        return label

    def _known_microphone(self, key: str | None) -> str | None:
        if key is None or self._db.row(
            "SELECT 1 FROM detections WHERE microphone = ? LIMIT 1", (key,)
        ):
            return key
        return find_microphone(self._db, key)

    # --- while listening -----------------------------------------------------------------------

    def add(self, new: NewDetection) -> Detection:
        """Store a sound that was just decided, then tell of it."""
        return self.add_all([new])[0]

    def add_all(self, news: Sequence[NewDetection]) -> list[Detection]:
        """Store sounds that were just decided in one transaction, then tell of each. The delays
        span that: they are those of the event, durable row included."""
        rows = []
        with self._db.write() as tx:
            for new in news:
                stamp = clock.stamp_at(new.onset_ns)
                cursor = tx.conn.execute(
                    _INSERT,
                    (
                        new.microphone,
                        new.label,
                        new.score,
                        new.score,
                        new.version,
                        new.deployment,
                        stamp.wall,
                        stamp.boot_id,
                        stamp.monotonic_ns,
                        int(stamp.clock_synced),
                        *_delays(new),
                    ),
                )
                rows.append(int(cursor.lastrowid or 0))
        stored = []
        for new, row in zip(news, rows, strict=True):
            delay, onset = _delays(new)
            detection = replace(self.get(row), delay_ms=delay, onset_delay_ms=onset)
            self._tell("new", detection)
            where = (new.label, new.microphone, new.score, delay)
            log.info("%s on %s: %.2f, %.0f ms after its window", *where)
            stored.append(detection)
        return stored

    def end(self, begun: Detection, ended_ns: int, peak: float) -> Detection:
        """The sound is over since `ended_ns`. `begun` is what `add` gave: its delays are kept."""
        ended_at = max(begun.started_at, clock.stamp_at(ended_ns).wall)
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE detections SET ended_at = ?, peak = ?, delay_ms = ?, onset_delay_ms = ?"
                " WHERE id = ?",
                (ended_at, peak, begun.delay_ms, begun.onset_delay_ms, begun.id),
            )
        ended = self.get(begun.id)
        self._tell("ended", ended)
        return ended

    def attach(self, identifier: int, clip: int) -> Detection:
        """The clip of a detection is stored. A review that came before it labels it now."""
        with self._db.write() as tx:
            tx.conn.execute("UPDATE detections SET clip_id = ? WHERE id = ?", (clip, identifier))
            detection = self.get(identifier)
            if detection.review_label is not None:
                self.clips.set_label(
                    [clip],
                    detection.review_label,
                    detection.reviewed_by or "",
                    create=True,
                    why=WHY,
                )
        self._tell("clip", detection)
        return detection

    def goes_without(self, identifier: int, why: str) -> Detection:
        """It gets no clip, for that reason."""
        with self._db.write() as tx:
            tx.conn.execute("UPDATE detections SET no_clip = ? WHERE id = ?", (why, identifier))
        detection = self.get(identifier)
        self._tell("no clip", detection)
        return detection

    def close_open(self) -> int:
        """At start: end those that an earlier daemon left sounding when it was killed."""
        with self._db.write() as tx:
            cursor = tx.conn.execute(
                "UPDATE detections SET ended_at = started_at WHERE ended_at IS NULL"
            )
        return int(cursor.rowcount)

    # --- reviewing -----------------------------------------------------------------------------

    def review_many(
        self,
        identifiers: Sequence[int],
        review: str | None,
        label: str | None,
        author: str,
        *,
        create: bool = False,
    ) -> list[Detection]:
        """As `review` for each, all or none of them. A label that some of them had right
        confirms those."""
        reviewed = []
        with self._db.write():
            if review == REFUTED and label is not None:
                self._must_exist(label, create)
            for identifier in dict.fromkeys(identifiers):
                right = review == REFUTED and label == self.get(identifier).label
                if right:
                    reviewed.append(self.review(identifier, CONFIRMED, author=author))
                else:
                    reviewed.append(self.review(identifier, review, label, author, create=create))
        return reviewed

    def review(
        self,
        identifier: int,
        review: str | None,
        label: str | None = None,
        author: str = "",
        *,
        create: bool = False,
    ) -> Detection:
        """Say whether it was right. "confirmed" gives its clip the detection's label; "refuted"
        with a label gives it that one, without one leaves it unlabelled; None takes back what an
        earlier review said: its clip has the label again that it had before. A detection whose
        clip was not kept gets one from the history, as long as that reaches back.

        Raises InvalidInput, and NotFound also where what it was relabelled to is no label yet,
        unless `create`: a misspelt one would quietly become a class of its own.
        """
        given = _reviewed_label(self.get(identifier), _review(review), label)
        if review is not None:
            self._find_clip(self.get(identifier))
        with self._db.write() as tx:
            before = self.get(identifier)
            if review == REFUTED and given is not None:
                self._must_exist(given, create)
            tx.conn.execute(
                "UPDATE detections SET review = ?, review_label = ?, reviewed_by = ?,"
                " reviewed_at = ? WHERE id = ?",
                (
                    review,
                    given,
                    None if review is None else author,
                    None if review is None else time.time(),
                    identifier,
                ),
            )
            self._label_clip(before, given, author)
            after = self.get(identifier)
            self._db.after_commit(lambda: self._tell("reviewed", after))
        return after

    def _must_exist(self, label: str, create: bool) -> None:
        """The label, made now if it may be: its first clip may come later."""
        with self._db.write() as tx:
            if create:
                find_or_create(self._db, tx, self._bus, label)
            else:
                find_label(self._db, label)

    def _find_clip(self, detection: Detection) -> None:
        """Give a detection without a clip one. A fresh one is still being recorded."""
        if detection.no_clip == SPEECH:
            return  # the history must not give back what was dropped on purpose
        if detection.clip is not None or time.time() - detection.started_at < FRESH_S:
            return
        try:
            clip = self.find_sound(detection)
        except EarmarkError as error:
            log.warning("detection %d gets no clip: %s", detection.id, error)
            return
        if clip is not None:
            with self._db.write() as tx:
                tx.conn.execute(
                    "UPDATE detections SET clip_id = ? WHERE id = ?", (clip, detection.id)
                )

    def _label_clip(self, before: Detection, given: str | None, author: str) -> None:
        if before.clip is None:
            return  # it is still being recorded, and `attach` labels it; or it was deleted
        if given is not None:
            self.clips.set_label([before.clip], given, author, create=True, why=WHY)
            return
        # Only the label that a review gave is taken back, never one that a person set since.
        earlier = before.review_label
        if earlier is not None and self.clips.get(before.clip).label == earlier:
            label = self._label_before(before.clip)
            self.clips.set_label([before.clip], label, author, create=True, why=WHY)

    def _label_before(self, clip: int) -> str | None:
        """The label that a clip had before it was reviewed, however often."""
        label = None
        for change in reversed(self.clips.history(clip)):
            if change.why != WHY:
                break
            label = change.before
        return label

    def _tell(self, what: str, detection: Detection) -> None:
        self._bus.publish("detection", {"what": what, "detection": asdict(detection)})


def _delays(new: NewDetection) -> tuple[float, float]:
    """Milliseconds from the deciding window's last sample, and from the onset, until now."""
    now = clock.monotonic_ns()
    return max(0.0, (now - new.decided_ns) / 1e6), max(0.0, (now - new.onset_ns) / 1e6)


def _review(review: str | None) -> str | None:
    if review not in (None, CONFIRMED, REFUTED):
        raise InvalidInput(f"{review!r} is no review", f"say {CONFIRMED}, {REFUTED} or nothing")
    return review


def _reviewed_label(before: Detection, review: str | None, label: str | None) -> str | None:
    """The label that the review gives the clip."""
    wanted = None if label is None else label_name(label)
    if review is None and wanted is not None:
        raise InvalidInput("a label without a review", "say refuted, and what it really was")
    if review == CONFIRMED:
        if wanted not in (None, before.label):
            raise InvalidInput(
                f"{before.label!r} cannot be confirmed as {wanted!r}", "refute it with that label"
            )
        return before.label
    if wanted == before.label:
        raise InvalidInput(f"{before.label!r} cannot be refuted as itself", "confirm it")
    return wanted


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInput(f"{cursor[:40]!r} is no cursor", "pass on `next` of the page before")
    return int(cursor)
