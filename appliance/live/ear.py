"""One microphone that is listened to: its waiting sound, its windows, its decisions."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance import clock
from appliance.audio.capture import Capture
from appliance.audio.source import BLOCK_SECONDS, Chunk
from appliance.live.decision import Began, Decision, Ended, Rejected, Rules
from appliance.live.detection import NewDetection
from appliance.live.drift import Drift, DriftState, Usual
from appliance.live.keeper import Keeper, Kept
from appliance.live.onset import onset_before_end
from appliance.live.rejections import Rejections
from appliance.live.tally import Rises, Tally
from appliance.live.windows import Place, Window, WindowStream
from appliance.models.deploy import Deployment
from appliance.models.engine import Engine

# Sound that may wait for a detector that is stuck; more is dropped and counted.
WAITING_LIMIT_S = 20.0
# A microphone that gave nothing for so long has gone: what sounded on it has ended.
GONE_S = 3.0
# Sound older than this is not listened to by a model that is deployed now.
PAST_S = 3.0
TOP = 5
REJECTED_SHOWN = 20
# Windows follow one another no closer than this, whatever the version was judged with: listening
# shall cost little; and no further apart, so that a sound is reported soon.
CLOSEST_S, FURTHEST_S = 0.25, 0.5


@dataclass(frozen=True)
class Model:
    """What listens: a deployment with its engine, and how its windows are cut."""

    deployment: Deployment
    engine: Engine
    hop: int
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window_s(self) -> float:
        return self.engine.window_samples / self.engine.sample_rate

    @property
    def hop_s(self) -> float:
        return self.hop / self.engine.sample_rate

    @classmethod
    def of(
        cls, deployment: Deployment, engine: Engine, card: Mapping[str, Any] | None = None
    ) -> Model:
        return cls(deployment, engine, listening_hop(engine), card or {})


def listening_hop(engine: Engine) -> int:
    """Samples between windows: as the version was judged, within `CLOSEST_S` and `FURTHEST_S`,
    and a whole number of capture blocks, so that no window waits for the rest of a block. A
    window so short that this would leave it without overlap keeps its own step."""
    rate = engine.sample_rate
    wanted = min(max(engine.hop_samples / rate, CLOSEST_S), FURTHEST_S)
    # Half a block goes up: 0.25 s becomes 0.3 s.
    blocks = int(wanted / BLOCK_SECONDS + 0.5)
    hop = round(blocks * BLOCK_SECONDS * rate)
    return hop if 2 * hop <= engine.window_samples else engine.hop_samples


class Ear:
    """`hear` runs on the capture's thread, everything else on the detector's; `hearing` on any."""

    def __init__(
        self,
        capture: Capture,
        keeper: Keeper,
        wake: Callable[[], None],
        beside: Ear | None = None,
        tally: Tally | None = None,
        moved: Callable[[str, DriftState], None] = lambda _identifier, _state: None,
        rejections: Rejections | None = None,
    ) -> None:
        """wake: called when a window is probably complete. beside: another ear on the same
        microphone, whose windows this one's shall lie in step with. tally: where rises are counted.
        moved: told when the microphone begins, or ends, to sound otherwise than in its training
        data. rejections: where refused candidates are kept; None to keep them here alone."""
        self._rejections = rejections or Rejections()
        self._tally = tally
        self._rises: Rises | None = None
        self._drift: Drift | None = None
        self._moved = moved
        self.capture = capture
        self.place: Place | None = None  # where the newest window ended
        self._beside = beside
        self.windows = 0
        self.missed = 0
        self.lag_ms = 0.0
        self._keeper = keeper
        self._wake = wake
        self._lock = threading.Lock()
        self._inbox: deque[Chunk] = deque()
        self._waiting = 0  # frames in the inbox
        self._needed = 1
        self._awake = False
        self._known: tuple[int, int] = (0, 0)  # stream and frame up to which sound was taken
        self._heard_ns = clock.monotonic_ns()
        self._stream: WindowStream | None = None
        self._decision: Decision | None = None
        self._newest: Window | None = None  # that was judged
        self._kept: dict[str, Kept] = {}
        self._top: list[dict[str, Any]] = []
        self._at = 0.0
        self._model: Model | None = None
        # Of the streams of earlier models.
        self._resets = 0
        self._lost_frames = 0
        self._unsubscribe = capture.subscribe(self.hear)

    # --- on the capture's thread ---------------------------------------------------------------

    def hear(self, chunk: Chunk) -> None:
        with self._lock:
            if not self._awake:
                return
            self._inbox.append(chunk)
            self._waiting += len(chunk.samples)
            while self._waiting > WAITING_LIMIT_S * chunk.rate:
                # The gap in the frame numbers makes the windows start again; they are missed.
                self._waiting -= len(self._inbox.popleft().samples)
            due = self._waiting >= self._needed
        if due:
            self._wake()

    # --- on the detector's thread --------------------------------------------------------------

    def listen_with(
        self, model: Model | None, rules: Rules, threshold: Callable[[str], float]
    ) -> None:
        """From now on windows are cut for `model`, and go on where those of the earlier one ended.

        The sound of the last windows comes from the microphone's memory, so no window is late.
        """
        earlier, before = self._decision, self._stream
        if before is not None:
            self._resets += before.resets
            self._lost_frames += before.lost_frames
        self._model = model
        if model is None:
            if earlier is not None:
                self._obey(earlier.finish(), self._newest)
            with self._lock:
                self._awake = False
                self._inbox.clear()
                self._waiting = 0
                self._top = []
            self._stream = self._decision = None
            return
        engine = model.engine
        self._decision = Decision(
            engine.classes, rules, threshold, window_s=model.window_s, hop_s=model.hop_s
        )
        self._rises = Rises(engine.classes)
        self._drift = Drift(Usual.of_card(model.card, self.capture.id), engine.sample_rate)
        if earlier is not None:
            self._obey(self._decision.take_over(earlier), self._newest)
        resume = before.place if before is not None else None
        if resume is None and self._beside is not None:
            resume = self._beside.place
        self._stream = WindowStream(engine.sample_rate, engine.window_samples, model.hop, resume)
        with self._lock:
            self._awake = True
            self._inbox.clear()
            self._waiting = 0
            past = self._past(model, resume.frame if resume is not None else None)
            if past is not None:
                self._inbox.append(past)
                self._waiting = len(past.samples)
            self._known = (0, 0)
            self._needed = 1
        self._wake()

    def _past(self, model: Model, ended: int | None) -> Chunk | None:
        """The newest sound that the new windows need, as one chunk; later ones overlap it."""
        ring = self.capture.ring
        newest = ring.last(model.window_s)
        if len(newest.samples) == 0:
            return None
        age_s = (clock.monotonic_ns() - newest.captured_ns) / 1e9
        if age_s - len(newest.samples) / newest.rate > PAST_S:
            return None  # of a microphone that has ended: what it said then is no news
        if ended is not None and ended < newest.end_frame:
            # The window that is due next lies one hop after those of the earlier model.
            due = ended + round((model.hop_s - model.window_s) * newest.rate)
            newest = ring.from_frame(max(0, min(due, newest.frame)))
        return newest.chunk(self.capture.id)

    def take(self) -> list[Window]:
        """The windows that are complete."""
        stream = self._stream
        with self._lock:
            # Less is left alone: others' windows must not make this one's sound come in crumbs.
            if stream is None or self._waiting < self._needed:
                return []
            chunks, self._waiting = list(self._inbox), 0
            self._inbox.clear()
        self._heard_ns = clock.monotonic_ns()
        fresh = []
        for chunk in chunks:
            # Sound that came from the ring comes once more as a chunk.
            if self._known[0] == chunk.stream and chunk.end_frame <= self._known[1]:
                continue
            self._known = (chunk.stream, chunk.end_frame)
            fresh.append(chunk)
        windows = stream.push(fresh)
        self.place = stream.place
        if stream.skipped:
            self.missed += stream.skipped
            stream.skipped = 0
        with self._lock:
            self._needed = max(1, stream.frames_needed())
        return windows

    def miss(self, windows: Sequence[Window]) -> None:
        """These were not judged, because listening was late."""
        self.missed += len(windows)

    def judge(self, window: Window, scores: NDArray[np.float32]) -> None:
        """What the network says about the next window."""
        decision, model = self._decision, self._model
        if decision is None or model is None:
            return
        self._newest = window
        self.windows += 1
        self.lag_ms = max(0.0, (clock.monotonic_ns() - window.end_ns) / 1e6)
        if window.fresh:
            decision.gap()
        best = np.argsort(scores)[::-1][:TOP]
        classes = decision.classes
        with self._lock:
            self._at = time.time()
            self._top = [
                {"label": classes[index], "score": round(float(scores[index]), 4)} for index in best
            ]
        self._obey(decision.push(window.end_s, scores), window)
        if self._tally is not None and self._rises is not None:
            # A replay that runs faster is listened to for as long as its sound lasts.
            risen = self._rises.push(decision.scores)
            version = model.deployment.version
            self._tally.add(version, self.capture.id, self._at, model.hop_s, risen)
        drift = self._drift
        if drift is not None and drift.push(window.samples[-model.hop :]):
            self._moved(self.capture.id, drift.state)

    def check(self) -> None:
        """End what sounded on a microphone that gives nothing any more."""
        silent_s = (clock.monotonic_ns() - self._heard_ns) / 1e9
        if self._decision is None or silent_s < GONE_S or not self._top:
            return
        with self._lock:
            self._top = []  # it hears nothing now
        self._obey(self._decision.finish(), self._newest)

    def close(self) -> None:
        """Listen no more; what sounds has ended."""
        self._unsubscribe()
        if self._decision is not None:
            # Nobody asks why the last sound of a microphone that is gone was not reported.
            last = [one for one in self._decision.finish() if not isinstance(one, Rejected)]
            self._obey(last, self._newest)
        self._stream = self._decision = self._model = None

    def _obey(self, verdicts: Sequence[Began | Ended | Rejected], window: Window | None) -> None:
        for verdict in verdicts:
            if isinstance(verdict, Rejected):
                self._reject(verdict)
            elif isinstance(verdict, Ended):
                self._end(verdict, window)
            elif window is not None:
                self._begin(verdict, window)

    def _begin(self, verdict: Began, window: Window) -> None:
        model = self._model
        if model is None:
            return
        rate = model.engine.sample_rate
        risen_s = window.end_s - verdict.rise_s
        before_s = onset_before_end(window.samples, rate, risen_s, model.hop_s)
        onset_s = window.end_s - before_s
        new = NewDetection(
            microphone=self.capture.id,
            label=verdict.label,
            score=round(verdict.score, 4),
            version=model.deployment.version,
            deployment=model.deployment.id,
            onset_ns=window.moment_ns(onset_s),
            decided_ns=window.end_ns,
        )
        place = (window.stream, window.frame_at(onset_s), window.in_rate)
        self._kept[verdict.label] = self._keeper.begin(new, self.capture, place)

    def _end(self, verdict: Ended, window: Window | None) -> None:
        kept = self._kept.pop(verdict.label, None)
        if kept is None:
            return
        ended = kept.new.decided_ns if window is None else window.moment_ns(verdict.end_s)
        self._keeper.end(kept, max(ended, kept.new.onset_ns), round(verdict.peak, 4))

    def _reject(self, verdict: Rejected) -> None:
        version = self._model.deployment.version if self._model is not None else ""
        self._rejections.add(self.capture.id, verdict.label, verdict.score, verdict.reason, version)

    # --- on any thread -------------------------------------------------------------------------

    def hearing(self) -> dict[str, Any]:
        """What it hears now, below the thresholds too."""
        windows = self.windows  # before the model that judged them: it comes first
        stream, decision, model = self._stream, self._decision, self._model
        status = self.capture.status()
        rejected = self._rejections.last(self.capture.id, REJECTED_SHOWN)
        with self._lock:
            return {
                "at": self._at,
                "version": model.deployment.version if model else None,
                "top": list(self._top),
                "active": decision.active if decision else [],
                "windows": windows,
                "missed": self.missed,
                "resets": self._resets + (stream.resets if stream else 0),
                "lost_frames": self._lost_frames + (stream.lost_frames if stream else 0),
                "lag_ms": round(self.lag_ms, 1),
                "level_dbfs": round(status.level_dbfs, 1),
                "drift": asdict(self._drift.state) if self._drift is not None else None,
                "rejected": [asdict(one) for one in rejected],
            }
