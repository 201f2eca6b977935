"""The outlines of the clips that were looked at last, so that going back costs no line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tui.clip_list import Clip
from tui.widgets.clip_sound import ClipSound

if TYPE_CHECKING:
    from tui.connection import Connection

MOST = 300


class Pictures:
    """By clip and by the size of the widget that draws it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], dict[str, Any]] = {}

    def of(self, clip: Clip | None, sound: ClipSound) -> dict[str, Any] | None:
        """The outline of `clip`, if it was fetched."""
        return None if clip is None else self._known.get((clip.id, sound.columns, sound.bands))

    async def fetch(self, box: Connection, clip: Clip, sound: ClipSound) -> dict[str, Any]:
        """The outline from the daemon. Raises what the connection raises."""
        columns, bands = sound.columns, sound.bands
        picture: dict[str, Any] = await box.get(
            f"/clips/{clip.id}/outline", columns=columns, rows=bands
        )
        if len(self._known) > MOST:
            self._known.clear()
        self._known[clip.id, columns, bands] = picture
        return picture
