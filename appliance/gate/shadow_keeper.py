"""Where the shadow's sounds go: held against what the live version reported, and a clip kept for
the label inbox where the two disagree. Nothing that the shadow says is ever reported.

Two events are one sound when they were heard by one microphone and overlap, or begin within
`SAME_S`. Neither side is judged before the other had time to speak. A sound that already went on
when the shadow began to hear is not judged: only one of the two knows its beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from appliance import clock
from appliance.errors import EarmarkError
from appliance.gate.shadow_table import Shadows
from appliance.inbox.table import Inbox
from appliance.live.detections import Detections
from appliance.live.keeper import PATIENCE_S, Keeper, Kept
from appliance.recording.assembly import Part
from appliance.recording.storing import SessionChain, store_part

log = logging.getLogger(__name__)

SAME_S = 1.5
# A version that decides later than the other must still be waited for.
SETTLE_S = 4.0
# What is over for so long cannot be the sound of anything new.
FORGET_S = 120.0


@dataclass
class _Sound:
    """What one of the two versions reported. Times are CLOCK_BOOTTIME in ns. `judged`: it began
    while both heard the microphone."""

    microphone: str
    label: str
    score: float
    onset_ns: int
    due_ns: int
    judged: bool
    end_ns: int | None = None
    detection: int | None = None  # the live version's
    part: Part | None = None  # the shadow's clip, once it is whole
    whole: bool = True
    paired: bool = False
    settled: bool = False


class ShadowKeeper(Keeper):
    """As `Keeper`: called by a detector, at work on a thread of its own."""

    def __init__(
        self,
        shadow: int,
        version: str,
        table: Shadows,
        detections: Detections,
        inbox: Inbox,
        heard_since: Callable[[str], int | None],
        kept: Callable[[], object],
        *,
        clip_s: float,
        preroll_s: float,
    ) -> None:
        """heard_since: since when (CLOCK_BOOTTIME) the shadow hears a microphone without a pause;
        None while it does not. What began before says nothing, whoever heard it. kept: called
        after each sound that was judged."""
        super().__init__(detections, clip_s=clip_s, preroll_s=preroll_s, keep_clips=True)
        self._shadow = shadow
        self._version = version
        self._table = table
        self._inbox = inbox
        self._heard_since = heard_since
        self._kept = kept
        self._chain = SessionChain(detections.clips, "shadow")
        self._live_sounds: list[_Sound] = []
        self._own: list[_Sound] = []
        self._of_kept: dict[int, _Sound] = {}
        # No rows are written here: one thread does it all, so that nothing is settled half-known.
        self._rows = self._clips

    def start(self) -> None:
        self._clips.submit(self._learn_what_sounds)
        self._clips.start()

    def submit(self, work: Callable[[], object]) -> None:
        """Do it on the keeper's thread."""
        self._clips.submit(work)

    def live(self, what: str, detection: dict[str, Any]) -> None:
        """The live version reported something. From any thread; returns at once."""
        if what == "new":
            self._clips.submit(lambda: self._live_began(detection))
        elif what == "ended":
            self._clips.submit(lambda: self._live_ended(detection))

    def stop(self) -> None:
        """What waits is judged now."""
        self._clips.submit(lambda: self._store_due(everything=True))
        self._clips.submit(lambda: self._settle(everything=True))
        self._clips.stop()

    # --- the live version ----------------------------------------------------------------------

    def _learn_what_sounds(self) -> None:
        """What was reported before this began, and goes on."""
        for detection in self._detections.sounding():
            self._live_began(asdict(detection))

    def _both_heard(self, microphone: str, onset_ns: int) -> bool:
        since = self._heard_since(microphone)
        return since is not None and onset_ns >= since

    def _live_began(self, detection: dict[str, Any]) -> None:
        if any(sound.detection == detection["id"] for sound in self._live_sounds):
            return
        onset = int(detection["monotonic_ns"])
        self._live_sounds.append(
            _Sound(
                detection["microphone"],
                detection["label"],
                detection["score"],
                onset,
                clock.monotonic_ns() + round((SETTLE_S + self._clip_s) * 1e9),
                self._both_heard(detection["microphone"], onset),
                detection=detection["id"],
            )
        )

    def _live_ended(self, detection: dict[str, Any]) -> None:
        for sound in self._live_sounds:
            if sound.detection == detection["id"]:
                sound.score = detection["peak"]
                lasted_s = detection["ended_at"] - detection["started_at"]
                sound.end_ns = sound.onset_ns + round(lasted_s * 1e9)

    # --- the shadow ----------------------------------------------------------------------------

    def _begin_all(self) -> None:
        while self._begun:
            self._begin(self._begun.popleft())

    def _begin(self, kept: Kept) -> None:
        missing_s = max(0, kept.end_frame - kept.past.end_frame) / max(1, kept.past.rate)
        kept.clip_due_ns = clock.monotonic_ns() + round((missing_s + PATIENCE_S) * 1e9)
        sound = _Sound(
            kept.new.microphone,
            kept.new.label,
            kept.new.score,
            kept.new.onset_ns,
            clock.monotonic_ns() + round(SETTLE_S * 1e9),
            self._both_heard(kept.new.microphone, kept.new.onset_ns),
            whole=False,
        )
        self._own.append(sound)
        self._of_kept[id(kept)] = sound
        self._pending.append(kept)

    def _end(self, kept: Kept, ended_ns: int, peak: float) -> None:
        for sound in self._own:
            ours = (sound.microphone, sound.label) == (kept.new.microphone, kept.new.label)
            if ours and sound.onset_ns == kept.new.onset_ns:
                sound.end_ns, sound.score = ended_ns, peak

    def _store_clip(self, kept: Kept) -> None:
        sound = self._of_kept.pop(id(kept))
        sound.part, sound.whole = self._sound(kept), True

    # --- the two together ----------------------------------------------------------------------

    def _watch(self) -> bool:
        self._store_due()
        self._settle()
        return bool(self._pending or self._own or self._live_sounds)

    def _settle(self, *, everything: bool = False) -> None:
        now = clock.monotonic_ns()
        for sound in self._own:
            if not sound.settled and (everything or (sound.whole and now >= sound.due_ns)):
                self._guarded(self._settle_own, sound)
        for sound in self._live_sounds:
            if not sound.settled and (everything or now >= sound.due_ns):
                self._guarded(self._settle_live, sound)
        self._own = [one for one in self._own if _remembered(one, now)]
        self._live_sounds = [one for one in self._live_sounds if _remembered(one, now)]

    @staticmethod
    def _guarded(settle: Callable[[_Sound], None], sound: _Sound) -> None:
        sound.settled = True
        try:
            settle(sound)
        except EarmarkError as error:
            log.error("a sound of the shadow could not be kept: %s", error)

    def _settle_own(self, sound: _Sound) -> None:
        others = [one for one in self._live_sounds if _same(one, sound)]
        if not sound.judged or not all(one.judged for one in others):
            sound.part = None
            return
        if any(one.label == sound.label for one in others):
            other = next(one for one in others if one.label == sound.label)
            sound.part = None
            if not other.paired:
                other.paired = sound.paired = True
                self._keep(other, sound, other.detection, None)
            return
        free = next((one for one in others if not one.paired), None)
        if free is not None:
            # Another label for one sound. Its detection has the clip, when that is stored.
            free.paired = sound.paired = True
            clip = self._detections.get(free.detection or 0).clip
            self._keep(free, sound, free.detection, clip)
            self._flag(
                clip,
                f"{self._version} would say {sound.label} ({sound.score:.2f}), "
                f"reported was {free.label} ({free.score:.2f})",
            )
            return
        if others:
            return  # one more label at a sound that was told of already
        clip = self._store(sound)
        self._keep(None, sound, None, clip)
        self._flag(
            clip,
            f"{self._version} would have reported {sound.label} ({sound.score:.2f}), "
            "which was not reported",
        )

    def _settle_live(self, sound: _Sound) -> None:
        if not sound.judged or sound.paired or any(_same(one, sound) for one in self._own):
            return
        clip = self._detections.get(sound.detection or 0).clip
        self._keep(sound, None, sound.detection, clip)
        self._flag(
            clip,
            f"{self._version} would not have reported {sound.label}, "
            f"which was reported ({sound.score:.2f})",
        )

    def _store(self, sound: _Sound) -> int | None:
        part, sound.part = sound.part, None
        if part is None:
            return None
        at = clock.stamp_at(part.captured_ns).wall
        clips = self._detections.clips
        session = clips.sessions.heard_near(part.microphone, at)
        if session is None:
            session = self._chain.session(part.captured_ns, part.microphone)
        clip = store_part(
            clips,
            part,
            source="shadow",
            session=session,
            extra={
                "suggested": sound.label,
                "score": round(sound.score, 4),
                "version": self._version,
            },
        )
        return None if clip is None else clip.id

    def _keep(
        self, live: _Sound | None, own: _Sound | None, detection: int | None, clip: int | None
    ) -> None:
        either = live or own
        assert either is not None
        self._table.add(
            self._shadow,
            either.microphone,
            clock.stamp_at(either.onset_ns).wall,
            None if live is None else (live.label, live.score),
            None if own is None else (own.label, own.score),
            detection,
            clip,
        )
        self._kept()

    def _flag(self, clip: int | None, reason: str) -> None:
        if clip is not None:
            self._inbox.flag(clip, reason)
        log.info("the shadow disagrees: %s", reason)


def _same(one: _Sound, other: _Sound) -> bool:
    slack = round(SAME_S * 1e9)
    now = clock.monotonic_ns()
    return (
        one.microphone == other.microphone
        and one.onset_ns <= (other.end_ns or now) + slack
        and other.onset_ns <= (one.end_ns or now) + slack
    )


def _remembered(sound: _Sound, now: int) -> bool:
    """Long enough for everything that may be the same sound to be held against it."""
    return not sound.settled or sound.end_ns is None or now - sound.end_ns < FORGET_S * 1e9
