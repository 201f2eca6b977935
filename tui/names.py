"""What microphones are called, also those that were removed: their clips and detections stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Box(Protocol):
    async def get_known(self, path: str, **params: Any) -> Any: ...


class MicrophoneNames:
    """`of(id)` is the name that a person gave, with a word where that microphone was removed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._former: dict[str, str] = {}
        self._asked = False

    async def look(self, box: Box) -> None:
        """Fetch the removed ones, once: what happens since is told by `heard`."""
        if not self._asked:
            found = await box.get_known("/microphones/former")
            for row in found["items"] if found else ():
                self._former.setdefault(row["id"], row["name"])
            self._asked = True

    def forget(self) -> None:
        """The daemon has come back, or is another one: fetch again."""
        self._names, self._former, self._asked = {}, {}, False

    def know(self, views: Iterable[Mapping[str, Any]]) -> None:
        """These are set up: the items of GET /microphones."""
        self._names = {str(view["id"]): str(view["name"]) for view in views}

    def heard(self, what: str, view: Mapping[str, Any]) -> None:
        """The event `microphone`."""
        if what == "removed":
            self._names.pop(view["id"], None)
            self._former[view["id"]] = view["name"]
        else:
            self._names[view["id"]] = view["name"]

    def of(self, identifier: str | None) -> str:
        """The name of the microphone with that id; the id where nobody knows."""
        if identifier is None:
            return ""
        if identifier in self._names:
            return self._names[identifier]
        if identifier in self._former:
            return f"{self._former[identifier]} (removed)"
        return identifier

    @property
    def ids(self) -> dict[str, str]:
        """The id by its name; a removed one gives way to one that is set up."""
        former = {name: identifier for identifier, name in self._former.items()}
        return former | {name: identifier for identifier, name in self._names.items()}
