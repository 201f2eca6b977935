"""Was a detection right? Compares what the box said with what was played. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from appliance.demo.scene import Event

# The onset that the box states may be as early as its window reaches back; the decision may come
# as late as a sound is still inside the window.
EARLY_S = 0.7
LATE_S = 1.6

RIGHT, AGAIN, WRONG, FALSE = "right", "again", "wrong", "false alarm"

FOUND_SHARE = 0.8
FALSE_SHARE = 0.2


@dataclass(frozen=True)
class Heard:
    """A detection in the scene's time: when the sound began as the box says, when it was told."""

    label: str
    onset_s: float
    told_s: float
    score: float


@dataclass(frozen=True)
class Judged:
    """verdict: right; again (the same sound a second time); wrong (there was another sound);
    false alarm (there was none). delay_s: from the true beginning until it was told."""

    heard: Heard
    verdict: str
    event: Event | None
    delay_s: float | None


@dataclass
class Judge:
    """Give it every detection in order; it remembers which events were found."""

    events: tuple[Event, ...]
    found: dict[int, Judged] = field(default_factory=dict)
    all: list[Judged] = field(default_factory=list)

    def judge(self, heard: Heard) -> Judged:
        near = list(self._near(heard))
        same = [index for index in near if self.events[index].label == heard.label]
        fresh = [index for index in same if index not in self.found]
        if fresh:
            index = fresh[0]
            judged = self._judged(heard, RIGHT, index)
            self.found[index] = judged
        elif same:
            judged = self._judged(heard, AGAIN, same[0])
        elif near:
            judged = self._judged(heard, WRONG, near[0])
        else:
            judged = Judged(heard, FALSE, None, None)
        self.all.append(judged)
        return judged

    def _near(self, heard: Heard) -> Iterator[int]:
        """Events that the detection may mean, the one that it overlaps most first."""

        def overlap(index: int) -> float:
            event = self.events[index]
            return min(heard.told_s, event.end_s + LATE_S) - max(heard.onset_s, event.start_s)

        for index in sorted(range(len(self.events)), key=overlap, reverse=True):
            event = self.events[index]
            # A detection that began long before the sound did is about something else.
            begins = event.start_s - EARLY_S <= heard.onset_s <= event.end_s + LATE_S
            if begins and heard.told_s >= event.start_s:
                yield index

    def _judged(self, heard: Heard, verdict: str, index: int) -> Judged:
        event = self.events[index]
        return Judged(heard, verdict, event, heard.told_s - event.start_s)

    @property
    def missed(self) -> list[Event]:
        return [event for index, event in enumerate(self.events) if index not in self.found]

    @property
    def alarms(self) -> list[Judged]:
        """What was told and was not there."""
        return [judged for judged in self.all if judged.verdict in (WRONG, FALSE)]

    @property
    def passed(self) -> bool:
        """At least 80 % of the events found, and at most one alarm in five events (at least two
        are forgiven: a scene is short)."""
        allowed = max(2, round(FALSE_SHARE * len(self.events)))
        return len(self.found) >= FOUND_SHARE * len(self.events) and len(self.alarms) <= allowed
