"""Thresholds as a rate: "at most so many false alarms a day", solved from what the box heard.

Every rise of a label's score while the live version listened counts as false, unless a person
confirmed the detection that it became. So confirming may lower a threshold, and nothing else may:
solved anew after more hours or a refuted detection, it only rises.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from appliance import clock
from appliance.errors import Conflict, EarmarkError, InvalidInput
from appliance.events import Event, EventBus
from appliance.live.chances import COVERAGE, at_least, keeping, poisson, wilson
from appliance.live.tally import BINS, Tally, bin_of
from appliance.models.card import on_training_clips
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.periodic import Periodic
from appliance.store.database import Database
from appliance.text import count as plural

log = logging.getLogger(__name__)

FLUSH_S = 60.0
SOLVE_EVERY_S = 1800.0
LEAST_A_DAY, MOST_A_DAY = 0.01, 1000.0


@dataclass(frozen=True)
class Share:
    """A share of `total`, with the limits between which it lies with the chance `coverage`."""

    value: float
    low: float
    high: float
    right: int
    total: int


@dataclass(frozen=True)
class Expectation:
    """What a threshold lets expect of a label, and what that rests on.

    hours, microphones: listened to by `version`. false_alarms: rises at or above the threshold in
    them, confirmed ones excepted; `unreviewed` of them are detections that nobody has judged.
    a_day, low, high: false alarms a day, None before an hour's worth was heard. recall: share of
    the held-out clips of the label that reach the threshold. precision: of the rises that reach
    it, those that were confirmed; before any was, from the held-out clips.
    guessed: the hours are too few to show the rate that was asked for.
    """

    version: str
    threshold: float
    hours: float
    microphones: int
    false_alarms: int
    confirmed: int
    unreviewed: int
    a_day: float | None
    low: float | None
    high: float | None
    coverage: float
    recall: Share | None
    precision: Share | None
    precision_from: str | None
    guessed: bool
    sentence: str


class Rates:
    """Thread-safe. It solves on a thread of its own, which also writes the tally."""

    def __init__(
        self,
        db: Database,
        tally: Tally,
        thresholds: Thresholds,
        deployments: Deployments,
        versions: Versions,
        bus: EventBus,
    ) -> None:
        self._db = db
        self._tally = tally
        self._thresholds = thresholds
        self._deployments = deployments
        self._versions = versions
        self._bus = bus
        self._lock = threading.Lock()
        self._due: dict[str | None, bool] = {}  # label (None: all) -> may its threshold fall
        self._solved_s = 0.0
        self._periodic = Periodic("rates", self._turn, FLUSH_S, first_s=FLUSH_S)
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._unsubscribe = self._bus.subscribe(self._told)
        self._solved_s = clock.seconds()
        self._periodic.start()

    def stop(self) -> None:
        """Write what has gathered."""
        self._unsubscribe()
        self._periodic.stop()
        self._flush()

    def ask(self, label: str, per_day: float, author: str = "") -> Expectation:
        """From now on report at most `per_day` false alarms of `label` a day.

        Raises InvalidInput, and Conflict when nothing is deployed or it does not know the label.
        """
        if not LEAST_A_DAY <= per_day <= MOST_A_DAY:
            raise InvalidInput(
                f"{per_day:g} false alarms a day are not possible",
                f"give {LEAST_A_DAY:g} (one in 100 days) to {MOST_A_DAY:g}",
            )
        self._flush()
        threshold, expected = self._solved(label, per_day)
        self._thresholds.set_rate(label, threshold, per_day, asdict(expected), author)
        return expected

    def expectation(self, label: str) -> Expectation | None:
        """What the present threshold of `label` lets expect; None when the deployed version does
        not know it, or nothing is deployed."""
        live = self._deployments.live()
        if live is None or label not in live[1].classes:
            return None
        return self._expected(label, self._thresholds.get(label), self._thresholds.rate(label))

    # --- solving -------------------------------------------------------------------------------

    def _solved(self, label: str, per_day: float) -> tuple[float, Expectation]:
        live = self._deployments.live()
        if live is None:
            raise Conflict(
                "nothing is deployed, and a rate is solved for the version that listens",
                self._versions.how_to_begin(),
            )
        if label not in live[1].classes:
            raise Conflict(
                f"{live[0].version} does not know {label!r}",
                f"it knows {', '.join(live[1].classes)}; train and deploy one that does",
            )
        false, _, _ = self._false_rises(live[0].version, label)
        hours, _ = self._tally.hours(live[0].version)
        threshold, _ = keeping([int(count) for count in false], hours, per_day)
        return threshold, self._expected(label, threshold, per_day)

    def _false_rises(
        self, version: str, label: str
    ) -> tuple[NDArray[np.int64], list[float], list[float]]:
        """Rises that nobody confirmed [BINS]; peaks of confirmed and of unreviewed detections."""
        rises = self._tally.rises(version, label)
        confirmed: list[float] = []
        unreviewed: list[float] = []
        for row in self._db.rows(
            "SELECT peak, review FROM detections WHERE version = ? AND label = ?"
            " AND (review IS NULL OR review = 'confirmed')",
            [version, label],
        ):
            (unreviewed if row["review"] is None else confirmed).append(float(row["peak"]))
        for peak in confirmed:
            place = bin_of(peak)
            # The tally may count it a bin away: its rise began before the event did.
            for near in (place, (place or 0) + 1, (place or 0) - 1):
                if near is not None and 0 <= near < BINS and rises[near] > 0:
                    rises[near] -= 1
                    break
        return rises, confirmed, unreviewed

    def _expected(self, label: str, threshold: float, per_day: float | None) -> Expectation:
        live = self._deployments.live()
        assert live is not None
        version = live[0].version
        false, confirmed, unreviewed = self._false_rises(version, label)
        hours, microphones = self._tally.hours(version)
        count = at_least([int(n) for n in false], threshold)
        right = sum(peak >= threshold for peak in confirmed)
        low, high = (limit / max(hours, 1e-9) * 24 for limit in poisson(count))
        own, others = self._validation(version, label)
        reached = sum(score >= threshold for score in own)
        wrong = sum(score >= threshold for score in others)
        by_ear = right > 0
        precision = _share(right, right + count) if by_ear else _share(reached, reached + wrong)
        known = hours >= 1
        guessed = per_day is not None and hours * per_day < 24
        return Expectation(
            version=version,
            threshold=threshold,
            hours=round(hours, 2),
            microphones=microphones,
            false_alarms=count,
            confirmed=right,
            unreviewed=sum(peak >= threshold for peak in unreviewed),
            a_day=round(count / hours * 24, 3) if known else None,
            low=round(low, 3) if known else None,
            high=round(high, 3) if known else None,
            coverage=COVERAGE,
            recall=_share(reached, len(own)),
            precision=precision,
            precision_from=None if precision is None else "detections" if by_ear else "clips",
            guessed=guessed,
            sentence=_sentence(hours, microphones, count, low, high, guessed, per_day),
        )

    def _validation(self, version: str, label: str) -> tuple[list[float], list[float]]:
        """Scores of held-out clips: of the label, and of others. Older versions have none."""
        try:
            evaluation = self._versions.evaluation(version)
        except EarmarkError as error:
            log.debug("%s has no readable evaluation: %s", version, error)
            return [], []
        if on_training_clips(evaluation):
            return [], []  # what was learned by heart says nothing about a threshold
        scores = evaluation.get("scores", {}).get(label, {})
        return [float(s) for s in scores.get("own", [])], [
            float(s) for s in scores.get("others", [])
        ]

    # --- on its own thread ---------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        if event.topic == "deployment":
            self._want(None, True)  # other scores: what was solved before means nothing
        elif event.topic == "detection" and event.data["what"] == "reviewed":
            detection = event.data["detection"]
            self._want(detection["label"], detection["review"] == "confirmed")

    def _want(self, label: str | None, may_fall: bool) -> None:
        with self._lock:
            self._due[label] = self._due.get(label, False) or may_fall
        self._periodic.wake()

    def _turn(self) -> None:
        self._flush()
        with self._lock:
            due, self._due = self._due, {}
        if clock.seconds() - self._solved_s >= SOLVE_EVERY_S:
            self._solved_s = clock.seconds()
            due.setdefault(None, False)
        for label, may_fall in due.items():
            for name in self._thresholds.rates() if label is None else [label]:
                self._again(name, may_fall)

    def _flush(self) -> None:
        try:
            self._tally.flush()
        except EarmarkError as error:
            log.warning("the tally of scores waits in memory: %s", error)

    def _again(self, label: str, may_fall: bool) -> None:
        per_day = self._thresholds.rate(label)
        if per_day is None:
            return
        try:
            threshold, expected = self._solved(label, per_day)
            before = self._thresholds.get(label)
            if threshold < before and not may_fall:
                return
            if threshold != before:
                log.info("%s must reach %.3f now, before %.3f", label, threshold, before)
            self._thresholds.set_rate(label, threshold, per_day, asdict(expected), "rate")
        except Conflict as error:
            log.debug("the rate of %s waits: %s", label, error)
        except EarmarkError as error:
            log.error("the threshold of %s could not be solved: %s", label, error)


def _share(right: int, total: int) -> Share | None:
    found = wilson(right, total)
    if found is None:
        return None
    value, low, high = (round(part, 4) for part in found)
    return Share(value, low, high, right, total)


def _sentence(
    hours: float,
    microphones: int,
    count: int,
    low: float,
    high: float,
    guessed: bool,
    per_day: float | None,
) -> str:
    if hours < 1:
        return "it has listened for less than an hour: a guess until it has heard more"
    heard = f"{plural(round(hours), 'hour')} of {plural(microphones, 'microphone')}"
    words = (
        f"{count} false in {heard}: {count / hours * 24:.2g} a day, "
        f"between {low:.2g} and {high:.2g} with a chance of {COVERAGE:.0%}"
    )
    if guessed and per_day is not None:
        words += f"; a guess until it has heard {plural(round(24 / per_day), 'hour')}"
    return words
