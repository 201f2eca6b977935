"""Not listening, because a person said so: every microphone is closed until somebody resumes.

A pause is kept over a restart, and holds from before the first microphone is opened. Its devices
are closed and their memory of the last seconds is forgotten, so whatever would record, listen or
keep a history gets nothing; nobody has to remember to ask. Several reasons may hold at once
("privacy", "quiet hours"); each may have an end of its own, and a person who resumes ends all.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from appliance import clock
from appliance.errors import EarmarkError, InvalidInput
from appliance.events import EventBus
from appliance.periodic import Periodic
from appliance.recording.microphones import Microphones
from appliance.store.database import Database
from appliance.units import human_duration

log = logging.getLogger(__name__)

PRIVACY = "privacy"
LONGEST_S = 366 * 86_400.0
LONGEST_REASON = 60
ADVICE = "`earmark resume` lets it listen again"
_RETRY_S = 30.0


@dataclass(frozen=True)
class Pause:
    """One reason not to listen. `until_at`: wall time of its end, None when somebody must end
    it; within boot `boot_id` the end is `until_ns` (CLOCK_BOOTTIME), since wall clocks jump.
    `id` is 0 while it could not be written down yet."""

    id: int
    reason: str
    author: str
    paused_at: float
    until_at: float | None
    boot_id: str
    until_ns: int | None
    ended_at: float | None = None
    ended_by: str | None = None

    def over(self, boot_id: str, monotonic_ns: int, wall: float) -> bool:
        if self.until_at is None or self.until_ns is None:
            return False
        if self.boot_id == boot_id:
            return monotonic_ns >= self.until_ns
        # A box whose clock begins in 1970 stays paused until it knows better.
        return wall >= self.until_at


@dataclass(frozen=True)
class PrivacyState:
    """paused: whether the microphones are closed; `detail` says why in one line; pauses: each
    reason that holds, the oldest first. written: False while the disk refuses to keep this over a
    restart (it is tried again)."""

    paused: bool
    detail: str
    pauses: list[Pause]
    written: bool


class Privacy:
    """Thread-safe. Topic `privacy` on the bus: {"what": "paused" | "resumed", "privacy": state}.

    `start` it before the microphones, so that a restart opens none of them.
    """

    def __init__(
        self,
        db: Database,
        microphones: Microphones,
        bus: EventBus,
        *,
        now: Callable[[], clock.Stamp] = clock.now,
    ) -> None:
        self._db = db
        self._microphones = microphones
        self._bus = bus
        self._now = now
        self._lock = threading.RLock()
        self._holding: list[Pause] = []
        self._unwritten: list[Pause] = []  # ended or begun, and not on the disk
        self._periodic = Periodic("privacy", self._turn, self._wait_s, first_s=self._wait_s)

    def start(self) -> None:
        """Take up the pauses that held when the daemon ended."""
        rows = self._db.rows("SELECT * FROM pauses WHERE ended_at IS NULL ORDER BY id")
        with self._lock:
            self._holding = [Pause(**row) for row in rows]
            self._end_those_over()
            self._apply()
        self._periodic.start()

    def stop(self) -> None:
        """Ends the watch over timed pauses; what holds goes on holding."""
        self._periodic.stop()

    def state(self) -> PrivacyState:
        with self._lock:
            holding = list(self._holding)
            return PrivacyState(bool(holding), _detail(holding), holding, not self._unwritten)

    def pause(
        self, reason: str = PRIVACY, for_s: float | None = None, author: str = ""
    ) -> PrivacyState:
        """Listen no more, for `for_s` seconds or until `resume`. A pause for the same reason
        takes the place of the earlier one. It holds even when the disk cannot keep it.

        Raises InvalidInput.
        """
        reason = reason.strip()
        if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise InvalidInput(
                f"{reason[:40]!r} is no reason", f"give 1 to {LONGEST_REASON} characters"
            )
        if for_s is not None and not (math.isfinite(for_s) and 1 <= for_s <= LONGEST_S):
            raise InvalidInput(
                f"a pause of {for_s:g} s is not possible", "give 1 second to a year, or no end"
            )
        present = self._now()
        new = Pause(
            id=0,
            reason=reason,
            author=author,
            paused_at=present.wall,
            until_at=None if for_s is None else present.wall + for_s,
            boot_id=present.boot_id,
            until_ns=None if for_s is None else present.monotonic_ns + round(for_s * 1e9),
        )
        with self._lock:
            for earlier in [pause for pause in self._holding if pause.reason == reason]:
                self._end(earlier, author)
            self._holding.append(new)
            self._apply()
            self._unwritten.append(new)
            self._write()
        length = "" if for_s is None else f" for {human_duration(for_s)}"
        log.info("listening is paused%s (%s) by %s", length, reason, author or "nobody named")
        self._tell("paused")
        self._periodic.wake()
        return self.state()

    def resume(self, author: str = "", reason: str | None = None) -> PrivacyState:
        """Listen again: every pause ends, or the one for `reason` alone."""
        with self._lock:
            ended = [pause for pause in self._holding if reason in (None, pause.reason)]
            for pause in ended:
                self._end(pause, author)
            self._apply()
            self._write()
        if ended:
            log.info("a pause ended (%s), by %s", ended[0].reason, author or "nobody named")
            self._tell("resumed")
        return self.state()

    # --- inside --------------------------------------------------------------------------------

    def _wait_s(self) -> float | None:
        with self._lock:
            timed = any(pause.until_at is not None for pause in self._holding)
            return 1.0 if timed else _RETRY_S if self._unwritten else None

    def _turn(self) -> None:
        with self._lock:
            ended = self._end_those_over()
            if ended:
                self._apply()
            if self._unwritten:
                self._write()
        if ended:
            log.info("a pause is over: %s", ", ".join(pause.reason for pause in ended))
            self._tell("resumed")

    def _end_those_over(self) -> list[Pause]:
        present = self._now()
        over = [
            pause
            for pause in self._holding
            if pause.over(present.boot_id, present.monotonic_ns, present.wall)
        ]
        for pause in over:
            self._end(pause, "its end")
        return over

    def _end(self, pause: Pause, by: str) -> None:
        self._holding.remove(pause)
        ended = replace(pause, ended_at=self._now().wall, ended_by=by)
        if pause in self._unwritten:
            self._unwritten.remove(pause)
        self._unwritten.append(ended)

    def _apply(self) -> None:
        if self._holding:
            self._microphones.pause(_detail(self._holding), ADVICE)
        else:
            self._microphones.resume()

    def _write(self) -> None:
        """What has changed, in one transaction; later, when the disk refuses."""
        ids: dict[Pause, int] = {}
        try:
            with self._db.write() as tx:
                for pause in self._unwritten:
                    row = {key: value for key, value in asdict(pause).items() if key != "id"}
                    if pause.id:
                        tx.conn.execute(
                            "UPDATE pauses SET ended_at = :ended_at, ended_by = :ended_by"
                            " WHERE id = :id",
                            {**row, "id": pause.id},
                        )
                        continue
                    made = tx.conn.execute(
                        "INSERT INTO pauses (reason, author, paused_at, until_at, boot_id,"
                        " until_ns, ended_at, ended_by) VALUES (:reason, :author, :paused_at,"
                        " :until_at, :boot_id, :until_ns, :ended_at, :ended_by)",
                        row,
                    )
                    ids[pause] = int(made.lastrowid or 0)
        except EarmarkError as error:
            log.error("a change of the pause is not kept over a restart yet: %s", error)
            return
        self._unwritten.clear()
        self._holding = [replace(p, id=ids[p]) if p in ids else p for p in self._holding]

    def _tell(self, what: str) -> None:
        self._bus.publish("privacy", {"what": what, "privacy": asdict(self.state())})


def _detail(holding: list[Pause]) -> str:
    if not holding:
        return ""
    parts = []
    for pause in holding:
        by = f" by {pause.author}" if pause.author not in ("", pause.reason) else ""
        until = ""
        if pause.until_at is not None:
            until = f" until {time.strftime('%Y-%m-%d %H:%M', time.localtime(pause.until_at))}"
        parts.append(f"{pause.reason}{by}{until}")
    return "not listening: " + "; ".join(parts)
