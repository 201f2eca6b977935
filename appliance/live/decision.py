"""From window scores to sounds: one event for each sound, and a reason for each that is refused.

The stages, in the order a score meets them:

1. Belief: the probabilities of all windows so far, weighed together (`belief.py`), give each label
   its score.
2. Threshold of the label. `background` is never reported.
3. Familiar: where the belief that the sound is none of the classes is what keeps a score under its
   threshold, the reason says so.
4. Louder: another label, or the background, has the higher score.
5. Cool-down: the same label was reported a moment ago.
6. Minimum duration: the score must stay above the threshold for so long.
7. Hysteresis: an event goes on until its score has been under `release` times the threshold for
   `hold_s`.

Pure: no clock, no threads. Time is given in seconds of sound, and only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from appliance.live.belief import BACKGROUND, Belief

# Scores under half of the threshold are no candidates: nobody asks why they were refused.
CANDIDATE_SHARE = 0.5


@dataclass(frozen=True)
class Rules:
    """What `settings.ListenSettings` says about decisions; times in seconds."""

    release: float = 0.6
    smoothing_s: float = 3.0
    minimum_s: float = 0.0
    hold_s: float = 0.5
    cooldown_s: float = 1.0


@dataclass(frozen=True)
class Began:
    """A sound was decided at `at_s` with `score`; it rose between `rise_s` and one hop
    earlier at the most."""

    label: str
    score: float
    rise_s: float
    at_s: float


@dataclass(frozen=True)
class Ended:
    """The sound is over: its estimated end, and the highest score it had."""

    label: str
    end_s: float
    peak: float


@dataclass(frozen=True)
class Rejected:
    """A candidate that was not reported, with the reason at its best moment."""

    label: str
    score: float
    reason: str
    at_s: float


Verdict = Began | Ended | Rejected


@dataclass
class _Candidate:
    score: float
    at_s: float
    reason: str
    rank: float


@dataclass
class _Track:
    """What is remembered of one label."""

    rise_s: float | None = None  # first window of the present run above the release level
    above_s: float | None = None  # first window of the present run above the threshold
    active: bool = False
    began_s: float = 0.0  # rise of the active event
    peak: float = 0.0
    heard_s: float = 0.0  # last window whose score kept the event alive
    alone_heard_s: float = 0.0  # last window that alone would have
    cool_until_s: float | None = None
    fading: bool = False  # the tail of an event is not a new candidate
    candidate: _Candidate | None = field(default=None)


@dataclass(frozen=True)
class _Heard:
    """One label, as of the window that ends at `at_s`."""

    label: str
    at_s: float
    alone: float  # the probability that this window gives it
    score: float
    known: float  # the score if it could be none but the classes
    louder: str  # what is louder, or ""
    threshold: float
    share: float

    @property
    def release(self) -> float:
        """The score under which it has ended."""
        return self.threshold * self.share


class Decision:
    """Decides for one microphone. `threshold(label)` is asked at each window, so that a changed
    threshold works at once."""

    def __init__(
        self,
        classes: Sequence[str],
        rules: Rules,
        threshold: Callable[[str], float],
        *,
        window_s: float,
        hop_s: float,
    ) -> None:
        self.classes = tuple(classes)
        self.rules = rules
        self.window_s = window_s
        self.hop_s = hop_s
        self._threshold = threshold
        self._belief = Belief(classes, rules.smoothing_s, window_s=window_s, hop_s=hop_s)
        self._tracks = {label: _Track() for label in classes if label != BACKGROUND}
        self._last_s: float | None = None

    @property
    def scores(self) -> NDArray[np.float32]:
        """[classes], what the thresholds are compared with."""
        return self._belief.scores

    @property
    def active(self) -> list[str]:
        """The labels that sound now."""
        return [label for label, track in self._tracks.items() if track.active]

    def push(self, end_s: float, probabilities: NDArray[np.float32]) -> list[Verdict]:
        """One window's probabilities [classes], ending at `end_s`; returns what it decides."""
        self._last_s = end_s
        scores = self._belief.push(probabilities)
        known = self._belief.known_scores
        loudest = self._belief.loudest
        louder = f"{self.classes[loudest]} louder ({scores[loudest]:.2f})"
        verdicts: list[Verdict] = []
        for index, label in enumerate(self.classes):
            if label == BACKGROUND:
                continue
            heard = _Heard(
                label,
                end_s,
                float(probabilities[index]),
                float(scores[index]),
                float(known[index]),
                "" if index == loudest else louder,
                self._threshold(label),
                self.rules.release,
            )
            verdicts += self._judge(self._tracks[label], heard)
        return verdicts

    def _judge(self, track: _Track, heard: _Heard) -> list[Verdict]:
        at_s = heard.at_s
        if heard.alone >= heard.release:
            if track.rise_s is None:
                track.rise_s = at_s
        elif not track.active:
            track.rise_s = None
        if track.active:
            return self._follow(track, heard)
        if heard.score < heard.threshold:
            track.above_s = None
            return self._below(track, heard)
        if track.above_s is None:
            track.above_s = at_s
        track.fading = False
        lasted = at_s - track.above_s
        rank: float
        if heard.louder:
            reason, rank = heard.louder, 1
        elif track.cool_until_s is not None and at_s < track.cool_until_s:
            reason, rank = f"cooling down {track.cool_until_s - at_s:.1f} s", 2
        elif lasted < self.rules.minimum_s:
            reason, rank = f"lasted {lasted:.1f} s of {self.rules.minimum_s:.1f} s", 3 + lasted
        else:
            return [self._begin(track, heard)]
        _consider(track, heard, reason, rank)
        return []

    def _begin(self, track: _Track, heard: _Heard) -> Began:
        track.active = True
        track.began_s = heard.at_s if track.rise_s is None else track.rise_s
        track.peak = heard.score
        track.heard_s = track.alone_heard_s = heard.at_s
        track.candidate = None
        return Began(heard.label, heard.score, track.began_s, heard.at_s)

    def _follow(self, track: _Track, heard: _Heard) -> list[Verdict]:
        track.peak = max(track.peak, heard.score)
        if heard.alone >= heard.release:
            track.alone_heard_s = heard.at_s
        if heard.score >= heard.release:
            track.heard_s = heard.at_s
        elif heard.at_s - track.heard_s >= self.rules.hold_s:
            return [self._end(track, heard.label, heard.at_s)]
        return []

    def _end(self, track: _Track, label: str, at_s: float) -> Ended:
        # A sound is seen until it has left the last window that holds some of it.
        left = track.alone_heard_s - self.window_s + self.hop_s
        end_s = max(track.began_s, left)
        track.active = False
        track.rise_s = None
        track.above_s = None
        track.fading = True
        track.cool_until_s = at_s + self.rules.cooldown_s
        return Ended(label, end_s, track.peak)

    def _below(self, track: _Track, heard: _Heard) -> list[Verdict]:
        score, threshold = heard.score, heard.threshold
        strange = heard.known >= threshold
        if not strange and max(heard.alone, score) < threshold * CANDIDATE_SHARE:
            track.fading = False
            return _refused(track, heard.label)
        if not track.fading:
            reason = f"{score:.2f} under {threshold:.2f}"
            if strange:
                reason = f"unfamiliar ({self._belief.strange:.2f}): {reason}"
            elif heard.alone >= threshold:
                reason += f" (one window alone: {heard.alone:.2f})"
            _consider(track, heard, reason, 0.5 if strange else 0)
        return []

    def gap(self) -> None:
        """Frames were lost. What sounded goes on if the next windows still hear it."""
        self._belief.gap()
        for track in self._tracks.values():
            track.above_s = None
            if not track.active:
                track.rise_s = None

    def finish(self) -> list[Verdict]:
        """End everything now: listening stops."""
        verdicts: list[Verdict] = []
        for label, track in self._tracks.items():
            if track.active and self._last_s is not None:
                verdicts.append(self._end(track, label, self._last_s))
            verdicts += _refused(track, label)
            track.rise_s = track.above_s = None
            track.fading = False
        self._belief.reset()
        return verdicts

    def take_over(self, earlier: Decision) -> list[Verdict]:
        """Go on where the decision of another model stood, so that a sound which lasts over a hot
        swap stays one event. Returns the ends of events whose label is no longer known."""
        verdicts: list[Verdict] = []
        for label, track in earlier._tracks.items():
            if label in self._tracks:
                track.candidate = None
                self._tracks[label] = track
            elif track.active and earlier._last_s is not None:
                verdicts.append(earlier._end(track, label, earlier._last_s))
        self._belief.take_over(earlier._belief)
        self._last_s = earlier._last_s
        return verdicts


def _consider(track: _Track, heard: _Heard, reason: str, rank: float) -> None:
    """Remember the candidate's reason at the moment when it came furthest."""
    best = track.candidate
    if best is None or (rank, heard.score) > (best.rank, best.score):
        track.candidate = _Candidate(heard.score, heard.at_s, reason, rank)


def _refused(track: _Track, label: str) -> list[Verdict]:
    candidate, track.candidate = track.candidate, None
    if candidate is None:
        return []
    return [Rejected(label, candidate.score, candidate.reason, candidate.at_s)]
