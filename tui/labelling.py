"""Labels given from the keyboard: shown at once, sent in order, taken back one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.errors import EarmarkError

if TYPE_CHECKING:
    from tui.outbox import Outbox

MOST_UNDONE = 200

Labels = Mapping[int, "str | None"]
"""Clip -> its label."""
Item = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing that a person did, in their words, with the labels before and after it."""

    words: str
    before: Labels
    after: Labels


class Labelling:
    """`shown` is called at once with the labels that clips have now, for a list to draw; the
    requests go out behind it. A refusal shows what was before again."""

    def __init__(
        self,
        outbox: Outbox,
        shown: Callable[[Labels], object],
        refused: Callable[[EarmarkError], object],
    ) -> None:
        self._outbox, self._shown, self._refused = outbox, shown, refused
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._waiting: Counter[int] = Counter()
        """How many letters about a clip are on their way."""
        self._given: dict[int, str | None] = {}

    @property
    def waiting(self) -> dict[int, str | None]:
        """The labels that were given here last to clips of which the daemon has not confirmed
        all yet."""
        return {clip: self._given[clip] for clip in self._waiting}

    def over(self, items: Iterable[Item], before: Labels) -> list[Item]:
        """Clips as the daemon told of them, with the labels that were on their way when it was
        asked (`waiting` of then), or are now."""
        own = {**before, **self.waiting}
        return [{**item, "label": own[item["id"]]} if item["id"] in own else item for item in items]

    def give(self, clips: Labels, label: str | None) -> Change | None:
        """Give all of `clips` (with the labels that they have now) this label, or none."""
        before = {clip: old for clip, old in clips.items() if old != label}
        if not before:
            return None
        many = f"{len(before)} clips" if len(before) > 1 else f"clip {next(iter(before))}"
        words = f"{many}: {label}" if label else f"{many}: no label"
        change = Change(words, before, dict.fromkeys(before, label))
        self._done = [*self._done[1 - MOST_UNDONE :], change]
        self._undone.clear()
        self._apply(change, change.after)
        return change

    def undo(self) -> Change | None:
        """Take the last change back."""
        if not self._done:
            return None
        change = self._done.pop()
        self._undone.append(change)
        self._apply(change, change.before)
        return change

    def redo(self) -> Change | None:
        """Do again what was taken back."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._done.append(change)
        self._apply(change, change.after)
        return change

    def _apply(self, change: Change, labels: Labels) -> None:
        other = change.before if labels is change.after else change.after
        self._shown(labels)
        groups: dict[str | None, list[int]] = {}
        for clip, label in labels.items():
            groups.setdefault(label, []).append(clip)
        for label, clips in groups.items():
            self._send(change, label, clips, other)

    def _send(self, change: Change, label: str | None, clips: list[int], other: Labels) -> None:
        def told(_: Any) -> None:
            self._waiting.subtract(clips)
            for clip in clips:
                if not self._waiting[clip]:
                    del self._waiting[clip], self._given[clip]

        def refused(error: EarmarkError) -> None:
            told(None)
            self._shown({clip: other[clip] for clip in clips})
            if change in self._done:
                self._done.remove(change)
            if change in self._undone:
                self._undone.remove(change)
            self._refused(error)

        body: dict[str, Any] = {"clips": clips, "label": label}
        self._waiting.update(clips)
        self._given.update(dict.fromkeys(clips, label))
        self._outbox.post(change.words, "post", "/clips/label", body, done=told, refused=refused)
