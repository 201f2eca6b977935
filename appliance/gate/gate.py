"""The way to a deployment: first the candidate is heard against the version that listens.

One comparison at a time, on a thread of its own, in a child that yields to everything else. A
candidate that is worse is refused with the reasons; a person may force it, and roll back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from appliance import clock
from appliance.errors import Conflict, EarmarkError, InvalidInput, Regression, Stopped
from appliance.events import EventBus
from appliance.gate.comparisons import (
    CANCELLED,
    COMPARE,
    DEPLOY,
    FAILED,
    PASSED,
    REFUSED,
    Comparison,
    Comparisons,
)
from appliance.gate.manifest import manifest, questions
from appliance.gate.process import HearingChild
from appliance.gate.report import report
from appliance.gate.trained_on import trained_on
from appliance.gate.truth import gather
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.live.detections import Detections
from appliance.live.listener import rules_of
from appliance.models.building import CANCELLED as BUILD_CANCELLED
from appliance.models.building import FAILED as BUILD_FAILED
from appliance.models.building import READY, Work
from appliance.models.deploy import Deployment, Deployments
from appliance.models.engine import PRECISIONS
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.history import History
from appliance.settings import Settings
from appliance.text import count
from appliance.units import human_duration

log = logging.getLogger(__name__)

LOG_EVERY_S = 30.0

# Name in the report -> version and precision: what listens, and what may.
Sides = dict[str, tuple[str, str]]


@dataclass
class _Run:
    identifier: int
    child: HearingChild
    done: Future[Comparison]
    progress: dict[str, Any]
    precision: str | None
    """In which the candidate shall listen then; None where nothing is deployed."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends the compiling that follows."""
    logged_at: float = field(default_factory=clock.seconds)

    def cancel(self) -> None:
        """End it soon, whether it hears or compiles."""
        self.stop.set()
        self.child.cancel()


class Gate:
    """Thread-safe. Topic `comparison` on the bus: {"comparison": {...}} without the report, at its
    beginning and end and with its progress."""

    def __init__(
        self,
        comparisons: Comparisons,
        versions: Versions,
        deployments: Deployments,
        datasets: Datasets,
        clips: Clips,
        detections: Detections,
        thresholds: Thresholds,
        history: History,
        folder: DataFolder,
        settings: Settings,
        bus: EventBus,
        lagging: Callable[[], bool] = lambda: False,
    ) -> None:
        self.comparisons = comparisons
        self._versions = versions
        self._deployments = deployments
        self._datasets = datasets
        self._clips = clips
        self._detections = detections
        self._thresholds = thresholds
        self._history = history
        self._folder = folder
        self._settings = settings
        self._bus = bus
        self._lagging = lagging
        self._lock = threading.Lock()
        self._run: _Run | None = None

    def use(self, settings: Settings) -> None:
        """The limits of the next comparison. How it decides stays as live listening does."""
        self._settings = replace(self._settings, gate=settings.gate)

    def start(self) -> None:
        self.comparisons.close_open()

    def stop(self) -> None:
        """A comparison that runs is cancelled."""
        with self._lock:
            run = self._run
        if run is not None:
            run.cancel()
            run.done.exception()

    # --- looking -------------------------------------------------------------------------------

    def get(self, identifier: int) -> Comparison:
        """With its report, or its progress while it runs. NotFound."""
        return self._with_progress(self.comparisons.get(identifier))

    def _with_progress(self, comparison: Comparison) -> Comparison:
        run = self._run
        if run is None or run.identifier != comparison.id:
            return comparison
        return replace(comparison, progress=dict(run.progress))

    # --- doing ---------------------------------------------------------------------------------

    def deploy(
        self, version: str, precision: str = "fp32", author: str = "", *, force: bool = False
    ) -> tuple[int, Future[Comparison]]:
        """Hear `version` against what listens, then let it listen: the comparison's id, and its
        end, which is at hand when there is nothing to compare.

        The future raises Regression when the version is refused, and whatever
        `Deployments.deploy` does. Raises NotFound, InvalidInput, and Conflict while another
        comparison runs.
        """
        self._versions.get(version)
        if precision not in PRECISIONS:
            raise InvalidInput(
                f"unknown precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}"
            )
        current = self._deployments.current()
        live = current.version if current else None

        def let_through(run: _Run, made: dict[str, Any]) -> Deployment:
            if made["regressions"] and not force:
                raise Regression(
                    f"{version} is worse than {live}: {'; '.join(made['regressions'])}",
                    f"`earmark compare {run.identifier}` shows it; --force deploys it all the same",
                    made["regressions"],
                )
            if run.stop.is_set():
                raise Stopped("it was cancelled", "what listened before goes on")
            return self._deployments.deploy(version, precision, author, run.stop)

        sides = self._sides(live, version, precision)
        return self._begin(version, live, sides, DEPLOY, force, author, precision, let_through)

    def compare(self, live: str, candidate: str, author: str = "") -> int:
        """Hear two versions against each other; nothing is deployed. The comparison's id.

        Raises NotFound, InvalidInput for one version twice, Conflict while another one runs.
        """
        self._versions.get(live)
        self._versions.get(candidate)
        if live == candidate:
            raise InvalidInput(f"{live} against itself", "name two versions")
        sides = self._sides(live, candidate, self._precision(candidate))
        identifier, _ = self._begin(candidate, live, sides, COMPARE, False, author)
        return identifier

    def cancel(self, identifier: int) -> Comparison:
        """Nothing is deployed, also when its version is being compiled already. NotFound; nothing
        happens to one that has ended."""
        comparison = self.comparisons.get(identifier)
        with self._lock:
            run = self._run
        if run is not None and run.identifier == identifier:
            run.cancel()
            run.done.exception()
            return self.comparisons.get(identifier)
        return comparison

    def cancel_deployment(self) -> Work:
        """End the engine that is being built, whatever for, or else the comparison that leads to a
        deployment: how that ended, as of an engine. Raises Conflict when there is neither."""
        with self._lock:
            run = self._run
        if run is None or run.precision is None or self._deployments.building.work is not None:
            return self._deployments.building.cancel()
        ended = self.cancel(run.identifier)
        state = {CANCELLED: BUILD_CANCELLED, PASSED: READY}.get(ended.state, BUILD_FAILED)
        return Work(ended.candidate, run.precision, "ended", 1.0, state, ended.detail)

    # --- inside --------------------------------------------------------------------------------

    def _begin(
        self,
        candidate: str,
        live: str | None,
        sides: Sides,
        purpose: str,
        forced: bool,
        author: str,
        precision: str | None = None,
        let_through: Callable[[_Run, dict[str, Any]], Deployment] | None = None,
    ) -> tuple[int, Future[Comparison]]:
        with self._lock:
            if self._run is not None:
                raise Conflict(
                    f"comparison {self._run.identifier} is running",
                    f"wait for it, or `earmark compare --cancel {self._run.identifier}`",
                )
            identifier = self.comparisons.begin(candidate, live, purpose, forced, author)
            run = _Run(
                identifier,
                HearingChild(self._folder.jobs, self._lagging),
                Future(),
                {"phase": "preparing", "fraction": 0.0, "left_s": None},
                precision,
            )
            self._run = run
        self._tell(identifier)
        threading.Thread(
            target=self._work,
            args=(run, candidate, live, sides, let_through),
            name="comparison",
            daemon=True,
        ).start()
        return identifier, run.done

    def _work(
        self,
        run: _Run,
        candidate: str,
        live: str | None,
        sides: Sides,
        let_through: Callable[[_Run, dict[str, Any]], Deployment] | None,
    ) -> None:
        failure: BaseException | None = None
        deployment: int | None = None
        state, detail = PASSED, ""
        try:
            made = self._hear(run, live, sides)
            self.comparisons.keep(run.identifier, made)
            detail = _sentence(made)
            if let_through is not None:
                run.progress = {"phase": "deploying", "fraction": 1.0, "left_s": None}
                deployment = let_through(run, made).id
            elif made["regressions"]:
                state = REFUSED
        except Regression as error:
            state, detail, failure = REFUSED, str(error), error
        except EarmarkError as error:
            cancelled = run.child.cancelled or isinstance(error, Stopped)
            state, detail, failure = CANCELLED if cancelled else FAILED, str(error), error
        except BaseException as error:
            log.exception("comparison %d failed", run.identifier)
            state, detail, failure = FAILED, f"{type(error).__name__}: {error}", error
        self.comparisons.end(run.identifier, state, detail, deployment)
        with self._lock:
            self._run = None
        log.info("comparison %d of %s: %s. %s", run.identifier, candidate, state, detail)
        self._tell(run.identifier)
        if failure is not None:
            run.done.set_exception(failure)
        else:
            run.done.set_result(self.comparisons.get(run.identifier))

    def _precision(self, version: str) -> str:
        """The one in which it listens, fp32 if it does not."""
        current = self._deployments.current()
        return current.precision if current and current.version == version else "fp32"

    def _sides(self, live: str | None, candidate: str, precision: str) -> Sides:
        """What is to be heard, live first; one, where there is nothing to hear it against. A
        version against itself in another precision has the precision in its name."""
        if live is None:
            return {candidate: (candidate, precision)}
        now = self._precision(live)
        if live != candidate:
            return {live: (live, now), candidate: (candidate, precision)}
        if now == precision:
            return {candidate: (candidate, precision)}
        return {f"{live} {one}": (live, one) for one in (now, precision)}

    def _hear(self, run: _Run, live: str | None, sides: Sides) -> dict[str, Any]:
        """The report."""
        limit_s = self._settings.gate.limit_s
        if len(sides) == 1:
            return _nothing("no version listens yet" if live is None else f"{live} listens already")
        if limit_s == 0:
            return _nothing("gate.limit_s is 0")
        self._history.flush()
        history = self._history.minutes()
        before, after = sides
        classes = {
            name: self._versions.get(version).classes for name, (version, _) in sides.items()
        }
        seen = {
            name: trained_on(self._versions, self._datasets, version)
            for name, (version, _) in sides.items()
        }
        labels = sorted({label for known in classes.values() for label in known})
        asked = questions(self._clips, labels, seen)
        if not asked and not history:
            return _nothing("no labelled clip, and no history")
        given = manifest(
            self._versions,
            sides,
            asked,
            history,
            rules_of(self._settings.listen),
            self._thresholds.get,
            limit_s,
            self._clips,
        )
        result = run.child.run(given, lambda progress: self._progress(run, progress))
        heard = result["heard"]
        truth = gather(
            self._detections,
            self._clips,
            min((piece["at"] for piece in heard), default=time.time()),
            max((piece["until"] for piece in heard), default=time.time()),
            {piece["microphone"] for piece in heard},
        )
        made = report(before, after, result, asked, truth, classes, self._settings.gate)
        for role, (_, precision) in zip(("live", "candidate"), sides.values(), strict=True):
            made[role]["precision"] = precision
        unknown = [name for name in sides if not seen[name].known]
        if unknown:
            made["notes"].append(
                f"what {' and '.join(unknown)} learned from is not known: "
                "its recall on labelled clips may be too good"
            )
        return made

    def _progress(self, run: _Run, progress: dict[str, Any]) -> None:
        run.progress = progress
        self._tell(run.identifier)
        if clock.seconds() - run.logged_at >= LOG_EVERY_S:
            run.logged_at = clock.seconds()
            log.info(
                "comparison %d: %s, %.0f %%, %.0f s left",
                run.identifier,
                progress["phase"],
                100 * progress["fraction"],
                progress["left_s"],
            )

    def _tell(self, identifier: int) -> None:
        comparison = replace(self.get(identifier), report={})
        self._bus.publish("comparison", {"comparison": asdict(comparison)})


def _nothing(why: str) -> dict[str, Any]:
    """The report of a comparison that had nothing to hear."""
    why = f"nothing was compared: {why}"
    return {"regressions": [], "undecided": [], "warnings": [], "notes": [why], "compared": False}


def _sentence(made: dict[str, Any]) -> str:
    """A report in one line."""
    if not made["compared"]:
        return str(made["notes"][0])
    if made["regressions"]:
        return "worse: " + "; ".join(made["regressions"])
    live, candidate = made["live"], made["candidate"]
    parts = []
    if candidate["honest"]["clips"]:
        parts.append(
            f"recall {live['honest']['recall']:.0%} to {candidate['honest']['recall']:.0%} on "
            f"{count(candidate['honest']['clips'], 'labelled clip')}"
        )
    if made["heard_s"]:
        parts.append(
            f"{count(made['gained_count'], 'event')} gained and {made['lost_count']} lost in "
            f"{human_duration(made['heard_s'])} of history"
        )
    seen = ", ".join(parts)
    if made["undecided"]:
        why = "; ".join(made["undecided"])
        seen = f"not enough to say whether it is worse ({why})" + (f". {seen}" if seen else "")
    else:
        seen = f"no regression: {seen}"
    return ". ".join([seen, *made["warnings"]])
