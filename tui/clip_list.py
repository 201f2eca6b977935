"""The clips of a list as small rows with an index: a hundred thousand of them fit in memory."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

MOST_SHIFTS = 200


class Clip:
    """What a line of the list shows, taken from an item of `GET /clips` or `GET /inbox`."""

    __slots__ = (
        "alike",
        "duration_s",
        "filename",
        "flagged",
        "id",
        "label",
        "microphone",
        "reason",
        "recorded_at",
        "suggested",
        "suggested_score",
    )

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.id: int = item["id"]
        self.label: str | None = _once(item["label"])
        self.recorded_at: int = int(item["recorded_at"])
        self.duration_s: float = item["duration_s"]
        self.microphone: str | None = _once(item["microphone"])
        self.filename: str | None = item["filename"]
        self.suggested: str | None = _once(item.get("suggested_label"))
        self.suggested_score: float | None = item.get("suggested_score")
        self.reason: str | None = _once(item.get("reason"))
        self.alike: tuple[int, ...] = tuple(item.get("near_duplicates") or ())
        self.flagged = bool(item.get("flagged"))


def _once(text: str | None) -> str | None:
    """The same text only once in memory: many clips share a few labels."""
    return None if text is None else sys.intern(text)


class ClipList:
    """Clips in order, each found by its id.

    Where a clip stands is kept as it was when the index was made, with the number of clips that
    came or went since: it is searched no further away than that. So taking one clip out moves a
    block of pointers and touches nothing else.
    """

    def __init__(self, clips: Iterable[Clip] = ()) -> None:
        self._clips: list[Clip] = []
        self._places: dict[int, int] = {}
        self._shifts = 0
        self.append(clips)

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self._clips)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._places

    def __getitem__(self, place: int) -> Clip:
        return self._clips[place]

    def between(self, first: int, behind: int) -> list[Clip]:
        return self._clips[first:behind]

    def place(self, identifier: int) -> int | None:
        """Where in the list the clip stands."""
        about = self._places.get(identifier)
        if about is None:
            return None
        for off in range(self._shifts + 1):
            for place in (about - off, about + off):
                if 0 <= place < len(self._clips) and self._clips[place].id == identifier:
                    return place
        raise AssertionError(f"clip {identifier} is further away than {self._shifts}")

    def get(self, identifier: int) -> Clip | None:
        place = self.place(identifier)
        return None if place is None else self._clips[place]

    def places(self, identifiers: Collection[int]) -> list[int]:
        """Where those of these stand that are in the list, from the top."""
        if self._shifts and len(identifiers) > MOST_SHIFTS:
            self._index()
        found = (self.place(one) for one in identifiers)
        return sorted(place for place in found if place is not None)

    def append(self, clips: Iterable[Clip]) -> None:
        """Those that are not in the list yet, behind the others."""
        for clip in clips:
            if clip.id not in self._places:
                self._places[clip.id] = len(self._clips)
                self._clips.append(clip)

    def insert(self, place: int, clips: Iterable[Clip]) -> int:
        """Those that are not in the list yet, at this place; how many they were."""
        fresh = [clip for clip in clips if clip.id not in self._places]
        self._clips[place:place] = fresh
        self._places.update((clip.id, place + off) for off, clip in enumerate(fresh))
        self._moved(len(fresh))
        return len(fresh)

    def remove(self, identifiers: Collection[int]) -> list[int]:
        """Take these out; the places where they were, the lowest first."""
        places = self.places(identifiers)
        if len(places) > MOST_SHIFTS:
            gone = set(identifiers)
            self._clips = [clip for clip in self._clips if clip.id not in gone]
            self._index()
            return places
        for place in reversed(places):
            del self._places[self._clips[place].id]
            del self._clips[place]
        self._moved(len(places))
        return places

    def _moved(self, number: int) -> None:
        self._shifts += number
        if self._shifts > MOST_SHIFTS:
            self._index()

    def _index(self) -> None:
        self._places = {clip.id: place for place, clip in enumerate(self._clips)}
        self._shifts = 0
