"""Judges clips without a label in the background, and puts them in the order of what they teach.

It works when clips came, or another version listens, on a thread of its own that takes a small
share of one core and rests while listening is late. Only the newest clips are judged
(`inbox.judged_clips`): nobody labels a hundred thousand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from appliance import clock
from appliance.audio.flac import read_flac
from appliance.audio.resample import resample
from appliance.errors import EarmarkError
from appliance.events import Event, EventBus
from appliance.inbox.likeness import DIMENSIONS, likeness
from appliance.inbox.order import margin, teaching_ranks
from appliance.inbox.table import Inbox, Judged
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.models.deploy import Deployments
from appliance.models.engine import Engine
from appliance.models.predict import predict
from appliance.periodic import Periodic
from appliance.settings import Settings

log = logging.getLogger(__name__)

BATCH = 16
# So many are chosen for their variety: more than anybody labels in one sitting.
HEAD = 200
RATE = 16_000
NICE = 15
# After each batch it rests for three times as long as the batch took.
REST = 3.0
LONGEST_REST_S = 5.0
BUSY_WAIT_S = 2.0
# Under this an answer counts as sure, and the reason says so.
SURE = 0.3


class Scorer:
    """`busy` says whether listening or something else needs the processor more."""

    def __init__(
        self,
        inbox: Inbox,
        clips: Clips,
        deployments: Deployments,
        settings: Settings,
        bus: EventBus,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inbox = inbox
        self._clips = clips
        self._deployments = deployments
        self._most = settings.inbox.judged_clips
        self._bus = bus
        self._busy = busy
        self._periodic = Periodic("inbox", self._work, None, nice=NICE)
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Judge what came while the daemon was away, and from now on what comes."""
        if self._most == 0:
            return
        self._unsubscribe = self._bus.subscribe(self._told)
        self._periodic.start()

    def stop(self) -> None:
        """Ends after the clip that it is at."""
        self._unsubscribe()
        self._periodic.stop()

    def _told(self, event: Event) -> None:
        if event.topic == "detection":
            self._reviewed(event)
        elif event.topic == "deployment" or (event.topic == "clip" and _concerns(event)):
            self._periodic.wake()

    def _reviewed(self, event: Event) -> None:
        """A detection that was wrong, without a word what it was, is the first thing to label."""
        found = event.data["detection"]
        wrong = found["review"] == "refuted" and found["review_label"] is None
        if event.data["what"] in ("reviewed", "clip") and wrong and found["clip"] is not None:
            self._inbox.flag(found["clip"], f"reported as {found['label']}, which was refuted")

    def _work(self) -> None:
        """Judge everything that is due, then put it in order."""
        done = 0
        given_up: set[int] = set()
        while not self._periodic.stopping():
            if self._busy():
                self._periodic.rest(BUSY_WAIT_S)
                continue
            live = self._deployments.live()
            version = live[0].version if live else None
            due = self._inbox.unjudged(version, self._most, BATCH + len(given_up))
            due = [clip for clip in due if clip not in given_up][:BATCH]
            if not due:
                break
            began = clock.seconds()
            found = []
            for clip in self._clips.get_many(due):
                try:
                    found.append(self._judge(clip, live[1] if live else None))
                except EarmarkError as error:
                    log.warning("clip %d cannot be judged for the inbox: %s", clip.id, error)
                if self._periodic.stopping():
                    break
            given_up.update(set(due) - {one.clip for one in found})
            self._inbox.judge(version, found)
            done += len(found)
            self._periodic.rest(min(LONGEST_REST_S, REST * (clock.seconds() - began)))
        if done and not self._periodic.stopping():
            self.order()
            log.info("%d clips judged for the inbox", done)

    def order(self) -> None:
        """Rank the clips that are described."""
        clips, unsure, points = self._inbox.judged(self._most)
        if len(clips):
            ranks = teaching_ranks(unsure, points, HEAD)
            self._inbox.rank(dict(zip(clips.tolist(), ranks.tolist(), strict=True)))

    def _judge(self, clip: Clip, engine: Engine | None) -> Judged:
        samples, rate = read_flac(self._clips.path(clip))
        wanted = engine.sample_rate if engine is not None else RATE
        samples = resample(samples, rate, wanted)
        described = likeness(samples, wanted)
        assert described.shape == (DIMENSIONS,)
        if engine is None:
            return Judged(clip.id, None, None, 1.0, described.tobytes(), "no version listens yet")
        said = predict(engine, samples, wanted)
        ranked = list(said.scores.items())
        unsure = margin(np.array(list(said.scores.values()), dtype=np.float32))
        label, score = said.label, said.score
        reported = clip.extra.get("suggested")
        if clip.source == "detection" and reported in said.scores:
            # What was reported is in question here, not the room around it.
            label, score = str(reported), float(clip.extra.get("score", score))
        return Judged(
            clip.id, label, round(score, 4), unsure, described.tobytes(), _reason(ranked, unsure)
        )


def _reason(ranked: list[tuple[str, float]], unsure: float) -> str:
    label, score = ranked[0]
    if unsure < SURE or len(ranked) < 2:
        return f"rather sure: {label} {score:.2f}"
    return f"unsure: {label} {score:.2f} or {ranked[1][0]} {ranked[1][1]:.2f}"


def _concerns(event: Event) -> bool:
    """Whether clips came, or lost their label."""
    return event.data.get("action") in ("added", "labelled")
