"""From window scores to sounds: one event for each sound, and a reason for each that is refused.

The stages, in the order a score meets them:

1. Belief: the scores of all windows so far, weighed together (`belief.py`). From here on this is
   the score.
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
    raw_heard_s: float = 0.0  # last window that alone would have
    cool_until_s: float | None = None
    fading: bool = False  # the tail of an event is not a new candidate
    candidate: _Candidate | None = field(default=None)


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
    def belief(self) -> NDArray[np.float32]:
        """[classes], what the thresholds are compared with."""
        return self._belief.scores

    @property
    def active(self) -> list[str]:
        """The labels that sound now."""
        return [label for label, track in self._tracks.items() if track.active]

    def push(self, end_s: float, scores: NDArray[np.float32]) -> list[Verdict]:
        """One window's scores [classes], ending at `end_s`; returns what it decides."""
        self._last_s = end_s
        belief = self._belief.push(scores)
        loudest = self.classes[int(np.argmax(belief))]
        top = float(belief.max())
        familiar = max(1.0 - self._belief.strange, 1e-6)
        verdicts: list[Verdict] = []
        for index, label in enumerate(self.classes):
            if label == BACKGROUND:
                continue
            verdicts += self._judge(
                label, float(scores[index]), float(belief[index]), end_s, loudest, top, familiar
            )
        return verdicts

    def _judge(
        self,
        label: str,
        raw: float,
        score: float,
        at_s: float,
        loudest: str,
        top: float,
        familiar: float,
    ) -> list[Verdict]:
        track = self._tracks[label]
        threshold = self._threshold(label)
        release = threshold * self.rules.release
        if raw >= release:
            if track.rise_s is None:
                track.rise_s = at_s
        elif not track.active:
            track.rise_s = None
        if track.active:
            return self._follow(track, label, raw, score, at_s, release)
        if score < threshold:
            track.above_s = None
            return self._below(track, label, max(raw, score), score, at_s, threshold, familiar)
        if track.above_s is None:
            track.above_s = at_s
        track.fading = False
        lasted = at_s - track.above_s
        rank: float
        if loudest != label:
            reason, rank = f"{loudest} louder ({top:.2f})", 1
        elif track.cool_until_s is not None and at_s < track.cool_until_s:
            reason, rank = f"cooling down {track.cool_until_s - at_s:.1f} s", 2
        elif lasted < self.rules.minimum_s:
            reason, rank = f"lasted {lasted:.1f} s of {self.rules.minimum_s:.1f} s", 3 + lasted
        else:
            return [self._begin(track, label, score, at_s)]
        _consider(track, score, at_s, reason, rank)
        return []

    def _begin(self, track: _Track, label: str, score: float, at_s: float) -> Began:
        track.active = True
        track.began_s = at_s if track.rise_s is None else track.rise_s
        track.peak = score
        track.heard_s = at_s
        track.raw_heard_s = at_s
        track.candidate = None
        return Began(label, score, track.began_s, at_s)

    def _follow(
        self, track: _Track, label: str, raw: float, score: float, at_s: float, release: float
    ) -> list[Verdict]:
        track.peak = max(track.peak, score)
        if raw >= release:
            track.raw_heard_s = at_s
        if score >= release:
            track.heard_s = at_s
        elif at_s - track.heard_s >= self.rules.hold_s:
            return [self._end(track, label, at_s)]
        return []

    def _end(self, track: _Track, label: str, at_s: float) -> Ended:
        # A sound is seen until it has left the last window that holds some of it.
        left = track.raw_heard_s - self.window_s + self.hop_s
        end_s = max(track.began_s, left)
        track.active = False
        track.rise_s = None
        track.above_s = None
        track.fading = True
        track.cool_until_s = at_s + self.rules.cooldown_s
        return Ended(label, end_s, track.peak)

    def _below(
        self,
        track: _Track,
        label: str,
        best: float,
        score: float,
        at_s: float,
        threshold: float,
        familiar: float,
    ) -> list[Verdict]:
        strange = score / familiar >= threshold
        if strange or best >= threshold * CANDIDATE_SHARE:
            if not track.fading:
                reason = f"{score:.2f} under {threshold:.2f}"
                if strange:
                    reason = f"unfamiliar ({1 - familiar:.2f}): {reason}"
                elif best > score and best >= threshold:
                    reason += f" (one window alone: {best:.2f})"
                _consider(track, score, at_s, reason, 0.5 if strange else 0)
            return []
        track.fading = False
        return _refused(track, label)

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


def _consider(track: _Track, score: float, at_s: float, reason: str, rank: float) -> None:
    """Remember the candidate's reason at the moment when it came furthest."""
    best = track.candidate
    if best is None or (rank, score) > (best.rank, best.score):
        track.candidate = _Candidate(score, at_s, reason, rank)


def _refused(track: _Track, label: str) -> list[Verdict]:
    candidate, track.candidate = track.candidate, None
    if candidate is None:
        return []
    return [Rejected(label, candidate.score, candidate.reason, candidate.at_s)]
