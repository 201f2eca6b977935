"""Sending only the cells that changed.

When a part of a widget is drawn anew, Textual's compositor writes the line from the widget's left
edge on: for the newest column of a spectrogram, the whole row of columns before it. This one cuts
the line on both sides, and joins neighbours of one style.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor


class ThinUpdate(ChopsUpdate):
    """The same update in fewer bytes."""

    def render_segments(self, console: Console) -> str:
        sequences: list[str] = []
        for y, first, last in self.spans:
            for end, (begin, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(begin, first), min(end, last)
                if strip is None or left >= right:
                    continue
                part = strip.crop(left - begin, right - begin).simplify()
                sequences.append(Control.move_to(left, y).segment.text)
                sequences.append(part.render(console))
        return "".join(sequences)


class ThinCompositor(Compositor):
    """Textual's own, but for how partial updates are written."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        if update is None:
            return None
        return ThinUpdate(update.chops, update.spans, update.chop_ends)
