"""A version that listens silently beside the live one, on the same windows.

It is a second detector with ears of its own, humbler than the first: its thread has a lower
priority, and it hears nothing while listening is late. What it says is only held against what was
reported (`shadow_keeper.py`). It goes on after a restart, until it is ended or deployed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from appliance import clock
from appliance.errors import Conflict, EarmarkError, NotFound
from appliance.events import Event, EventBus
from appliance.gate.shadow_keeper import ShadowKeeper
from appliance.gate.shadow_table import ENDED, PROMOTED, RUNNING, ShadowRow, Shadows, ShadowSound
from appliance.inbox.table import Inbox
from appliance.live.detections import Detections
from appliance.live.detector import Detector
from appliance.live.ear import Ear, listening_hop
from appliance.live.listener import Listener, rules_of
from appliance.models.deploy import Deployment, Deployments
from appliance.models.engine import Engine
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.settings import Settings

log = logging.getLogger(__name__)

NICE = 10
# Once listening was late the shadow hears nothing for so long.
SHED_S = 10.0
SAVE_EVERY_S = 30.0


@dataclass(frozen=True)
class ShadowView:
    """A shadow and what came of it; see `ShadowRow` for its figures. `labels`: for each label how
    often both reported it, only the live version, only the shadow. `disagreements`: how many
    sounds they said different things about. `shed`: listening is late, so it pauses. `problem`:
    why it does not run, after a start that could not load it."""

    id: int
    version: str
    precision: str
    state: str
    author: str
    started_at: float
    ended_at: float | None
    windows: int
    missed: int
    heard_s: float
    live: str | None
    both: int
    disagreements: int
    labels: list[dict[str, Any]]
    shed: bool
    problem: str


class _Running:
    """The shadow that runs now: its engine, detector, ears and keeper."""

    def __init__(
        self,
        row: ShadowRow,
        engine: Engine,
        listener: Listener,
        keeper_of: Callable[[ShadowRow, _Running], ShadowKeeper],
        thresholds: Thresholds,
        settings: Settings,
        saved: Callable[[int, int, float], None],
        tell: Callable[[], object],
    ) -> None:
        """tell: called when its figures have changed."""
        self.row = row
        self.shed = False
        self._listener = listener
        self._engine = engine
        self._live = (
            Deployment(
                id=0,
                version=row.version,
                precision=row.precision,
                engine=engine.name,
                state="shadow",
                created_at=row.started_at,
                ended_at=None,
                certificate={},
                author=row.author,
            ),
            engine,
        )
        self._saved = saved
        self._tell = tell
        self._saved_at = clock.seconds()
        self._lock = threading.Lock()
        self._since_ns: dict[str, int] = {}
        self._shed_until = 0.0
        self._earlier = (0, 0)
        self._told = (0, 0, 0.0)
        self.keeper = keeper_of(row, self)
        self._detector = Detector(
            self, rules_of(settings.listen), thresholds.get, self._judged, name="shadow", nice=NICE
        )

    def start(self) -> None:
        self.keeper.start()
        self.sync()
        self._detector.start()

    def stop(self) -> None:
        ears = list(self._detector.ears().values())
        self._detector.stop()
        self.keeper.stop()
        for ear in ears:
            self._count(ear)
        self._save()
        self._engine.close()

    def live(self) -> tuple[Deployment, Engine] | None:
        """For the detector: what listens, or nothing while listening proper is late."""
        now = clock.seconds()
        if self._listener.lagging():
            self._shed_until = now + SHED_S
        shed = now < self._shed_until
        if shed != self.shed:
            log.warning("the shadow %s", "pauses: listening is late" if shed else "hears again")
            with self._lock:
                self._since_ns = {
                    key: clock.monotonic_ns() + self._window_ns() for key in self._since_ns
                }
            self.shed = shed
            self.keeper.submit(self._tell)
        return None if shed else self._live

    def heard_since(self, microphone: str) -> int | None:
        """Since when it hears that microphone without a pause (CLOCK_BOOTTIME)."""
        with self._lock:
            return None if self.shed else self._since_ns.get(microphone)

    def sync(self) -> None:
        """An ear beside each of the live version's."""
        wanted = self._listener.ears()
        mine = self._detector.ears()
        with self._lock:
            for key, ear in mine.items():
                if key not in wanted or wanted[key].capture is not ear.capture:
                    self._count(ear)
                    self._detector.set(key, None)
                    self._since_ns.pop(key, None)
        for key, beside in wanted.items():
            if key not in self._detector.ears():
                with self._lock:
                    self._since_ns[key] = clock.monotonic_ns() + self._window_ns()
                ear = Ear(beside.capture, self.keeper, self._detector.wake, beside=beside)
                self._detector.set(key, ear)

    def figures(self) -> tuple[int, int, float]:
        """Windows judged and missed, and seconds heard, since it was started here."""
        ears = list(self._detector.ears().values())
        windows = self._earlier[0] + sum(ear.windows for ear in ears)
        missed = self._earlier[1] + sum(ear.missed for ear in ears)
        return windows, missed, windows * self._hop()

    def _count(self, ear: Ear) -> None:
        """Keep the figures of an ear that goes."""
        self._earlier = (self._earlier[0] + ear.windows, self._earlier[1] + ear.missed)

    def _judged(self) -> None:
        if clock.seconds() - self._saved_at >= SAVE_EVERY_S:
            self._saved_at = clock.seconds()
            self.keeper.submit(self._save)
            self.keeper.submit(self._tell)

    def _save(self) -> None:
        windows, missed, heard_s = self.figures()
        before, self._told = self._told, (windows, missed, heard_s)
        self._saved(windows - before[0], missed - before[1], heard_s - before[2])

    def unsaved(self) -> tuple[int, int, float]:
        windows, missed, heard_s = self.figures()
        return windows - self._told[0], missed - self._told[1], heard_s - self._told[2]

    def _hop(self) -> float:
        return listening_hop(self._engine) / self._engine.sample_rate

    def _window_ns(self) -> int:
        return round(self._engine.window_samples / self._engine.sample_rate * 1e9)


class Shadow:
    """Thread-safe. Topic `shadow` on the bus: {"shadow": {...}} as `current` has it, when it begins
    and ends, when it pauses, after each sound that was judged, and every half a minute."""

    def __init__(
        self,
        table: Shadows,
        versions: Versions,
        deployments: Deployments,
        listener: Listener,
        detections: Detections,
        inbox: Inbox,
        thresholds: Thresholds,
        settings: Settings,
        bus: EventBus,
    ) -> None:
        self.table = table
        self._versions = versions
        self._deployments = deployments
        self._listener = listener
        self._detections = detections
        self._inbox = inbox
        self._thresholds = thresholds
        self._settings = settings
        self._bus = bus
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._problem = ""
        self._unsubscribe: Callable[[], None] = lambda: None
        versions.guard(self._objects)

    def start(self) -> None:
        """Go on with the shadow that ran when the daemon ended."""
        self._unsubscribe = self._bus.subscribe(self._told)
        row = self.table.running()
        if row is None:
            return
        try:
            with self._lock:
                self._run(row)
        except (EarmarkError, OSError) as error:
            log.error("%s cannot listen silently: %s", row.version, error)
            self._problem = str(error)

    def stop(self) -> None:
        self._unsubscribe()
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.stop()

    # --- looking -------------------------------------------------------------------------------

    def current(self) -> ShadowView | None:
        row = self.table.running()
        return None if row is None else self._view(row)

    def history(self) -> list[ShadowView]:
        """Every shadow, the newest first."""
        return [self._view(row) for row in self.table.all()]

    def disagreements(
        self, identifier: int, limit: int, cursor: str | None
    ) -> tuple[list[ShadowSound], str | None]:
        """Sounds about which the two said different things, the newest first. NotFound."""
        self.table.get(identifier)
        return self.table.disagreements(identifier, limit, cursor)

    def _view(self, row: ShadowRow) -> ShadowView:
        labels = self.table.labels(row.id)
        running = self._running
        windows = missed = 0
        heard_s = 0.0
        if running is not None and running.row.id == row.id:
            windows, missed, heard_s = running.unsaved()
        live = self._deployments.current()
        return ShadowView(
            id=row.id,
            version=row.version,
            precision=row.precision,
            state=row.state,
            author=row.author,
            started_at=row.started_at,
            ended_at=row.ended_at,
            windows=row.windows + windows,
            missed=row.missed + missed,
            heard_s=round(row.heard_s + heard_s, 1),
            live=live.version if live else None,
            both=sum(one["both"] for one in labels),
            disagreements=self.table.count_disagreements(row.id),
            labels=labels,
            shed=running is not None and running.shed,
            problem=self._problem if row.state == RUNNING else "",
        )

    # --- doing ---------------------------------------------------------------------------------

    def begin(self, version: str, precision: str = "fp32", author: str = "") -> ShadowView:
        """Let `version` listen silently from now on.

        Raises NotFound, EngineError, and Conflict while another one does or when it is live.
        """
        self._versions.get(version)
        live = self._deployments.current()
        if live is None:
            raise Conflict("nothing listens that it could be held against", "deploy it instead")
        if live.version == version:
            raise Conflict(f"{version} listens already", "choose another version")
        with self._lock:
            engine = self._deployments.prepare(version, precision)
            row = self.table.begin(version, precision, author)
            self._run(row, engine)
        log.info("%s listens silently beside %s", version, live.version)
        return self._tell(row)

    def end(self) -> ShadowView:
        """No more. Raises NotFound when none runs."""
        row = self.table.running()
        if row is None:
            raise NotFound(
                "no version listens silently", "begin with `earmark deploy --shadow VERSION`"
            )
        self._close(row, ENDED)
        return self._view(self.table.get(row.id))

    def _run(self, row: ShadowRow, engine: Engine | None = None) -> None:
        self._problem = ""
        # At a start nothing is built: that would keep everything else waiting.
        made = engine or self._deployments.prepare(row.version, row.precision, build=False)
        self._running = _Running(
            row,
            made,
            self._listener,
            self._keeper,
            self._thresholds,
            self._settings,
            lambda windows, missed, heard_s: self.table.count(row.id, windows, missed, heard_s),
            lambda: self._tell(row),
        )
        self._running.start()

    def _keeper(self, row: ShadowRow, running: _Running) -> ShadowKeeper:
        return ShadowKeeper(
            row.id,
            row.version,
            self.table,
            self._detections,
            self._inbox,
            running.heard_since,
            lambda: self._tell(row),
            clip_s=self._settings.listen.clip_s,
            preroll_s=self._settings.audio.preroll_s,
        )

    def _close(self, row: ShadowRow, state: str) -> None:
        with self._lock:
            running, self._running = self._running, None
            self._problem = ""
        if running is not None:
            running.stop()
        self.table.end(row.id, state)
        log.info("%s listens silently no more: %s", row.version, state)
        self._tell(row)

    def _tell(self, row: ShadowRow) -> ShadowView:
        view = self._view(self.table.get(row.id))
        self._bus.publish("shadow", {"shadow": asdict(view)})
        return view

    def _objects(self, version: str) -> Conflict | None:
        row = self.table.running()
        if row is None or row.version != version:
            return None
        return Conflict(f"{version} listens silently", "end that first: `earmark shadow end`")

    def _told(self, event: Event) -> None:
        running = self._running
        if running is None:
            return
        if event.topic == "detection":
            running.keeper.live(event.data["what"], event.data["detection"])
        elif event.topic == "microphone" and event.data["what"] != "state":
            running.sync()
        elif event.topic == "deployment" and event.data["version"] == running.row.version:
            # Not here: the publisher must not wait for the shadow's threads to end.
            threading.Thread(
                target=self._close, args=(running.row, PROMOTED), name="end shadow", daemon=True
            ).start()
