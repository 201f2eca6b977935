"""One clip as a picture: spectrogram, waveform, and the stretch that is marked for cutting."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from appliance.text import safe
from tui.clip_list import Clip
from tui.draw import SHADES, palette

_BARS = " ▁▂▃▄▅▆▇█"
LOWEST_SHARE = 0.25
"""What lies deeper than three quarters of the 80 dB below the loudest is dark: mostly noise."""


class ClipSound(Widget):
    """`show(clip, outline)` with `GET /clips/{id}/outline`; `outline` None draws no picture.

    A marker moves over it; `begin` and `end` mark a stretch, in seconds.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    ClipSound { height: 9; border-top: solid $panel; }
    """

    class Pointed(Message):
        """The marker was put somewhere with the mouse."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._clip: Clip | None = None
        self._outline: dict[str, Any] | None = None
        self._shades: list[list[int]] = []
        self._words = "No clip."
        self.at_s = 0.0
        self.stretch: tuple[float, float] | None = None
        self._begun: float | None = None

    @property
    def columns(self) -> int:
        """How many columns an outline should have to fill the picture."""
        return max(8, min(400, self.size.width))

    @property
    def bands(self) -> int:
        """How many bands: two share a line."""
        return max(2, min(64, 2 * (self.size.height - 3)))

    @property
    def clip(self) -> Clip | None:
        """The clip that is shown, to which marker and stretch belong."""
        return self._clip

    def show(self, clip: Clip | None, outline: dict[str, Any] | None) -> None:
        """Another clip, or the picture of the same one."""
        if (clip and clip.id) != (self._clip and self._clip.id):
            self.at_s, self.stretch, self._begun = 0.0, None, None
        self._clip, self._outline = clip, outline
        self._shades = _columns(outline) if outline else []
        self._words = "No clip." if clip is None else "" if outline else "…"
        self.refresh()

    def say(self, words: str) -> None:
        """Instead of a picture."""
        self._words = words
        self.refresh()

    def move(self, columns: int) -> None:
        """The marker, so many columns to the right."""
        if self._clip is not None:
            step = self._clip.duration_s / max(1, self.size.width)
            self._put(self.at_s + columns * step)

    def begin(self) -> None:
        """The stretch begins at the marker."""
        self._begun = self.at_s
        self.stretch = None
        self.refresh()

    def end(self) -> bool:
        """The stretch ends at the marker; False when it would be empty."""
        begun = 0.0 if self._begun is None else self._begun
        first, last = sorted((begun, self.at_s))
        if last - first < 0.01:
            return False
        self.stretch = (first, last)
        self.refresh()
        return True

    def on_click(self, event: Click) -> None:
        if self._clip is not None:
            self._put(event.x / max(1, self.size.width) * self._clip.duration_s)
            self.post_message(self.Pointed())

    def _put(self, second: float) -> None:
        assert self._clip is not None
        self.at_s = min(max(second, 0.0), float(self._clip.duration_s))
        self.refresh()

    # --- drawing -------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width, height = self.size.width, self.size.height
        base = self.rich_style
        if y == height - 1:
            return self._ruler(width, base)
        if not self._shades or not width:
            words = self._words if y == height // 2 else ""
            return Strip([Segment(f" {words}"[:width].ljust(width), base)], width)
        if y == height - 2:
            return self._wave(width, base)
        colours = palette(self.app.current_theme.dark)
        segments = []
        for x in range(width):
            shades = self._shades[min(x * len(self._shades) // width, len(self._shades) - 1)]
            upper = colours[_band(shades, 2 * y, 2 * (height - 2))]
            lower = colours[_band(shades, 2 * y + 1, 2 * (height - 2))]
            if upper == lower:
                segments.append(Segment(" ", RichStyle(bgcolor=lower.rich_color)))
            else:
                style = RichStyle(color=upper.rich_color, bgcolor=lower.rich_color)
                segments.append(Segment("▀", style))
        return Strip(segments, width)

    def _wave(self, width: int, base: RichStyle) -> Strip:
        assert self._outline is not None
        peaks = bytes.fromhex(self._outline["peaks"])
        text = ""
        for x in range(width):
            part = peaks[x * len(peaks) // width : max((x + 1) * len(peaks) // width, 1)]
            loudest = max(part or peaks[-1:], default=0)
            # The root shows quiet sounds, too.
            text += _BARS[round((loudest / 255) ** 0.5 * 8)]
        return Strip([Segment(text, base)], width)

    def _ruler(self, width: int, base: RichStyle) -> Strip:
        """Where the marker and the stretch are; in words at the right."""
        if self._clip is None:
            return Strip.blank(width, base)
        length = float(self._clip.duration_s)
        cells = ["·"] * width

        def place(second: float) -> int:
            return min(width - 1, int(second / max(length, 1e-9) * width))

        if self.stretch is not None:
            first, last = (place(second) for second in self.stretch)
            cells[first : last + 1] = "═" * (last - first + 1)
            cells[first], cells[last] = "[", "]"
        elif self._begun is not None:
            cells[place(self._begun)] = "["
        cells[place(self.at_s)] = "▲"
        label = self._clip.label or "no label"
        words = f" {self.at_s:.2f} of {length:.2f} s"
        if self.stretch is not None:
            words = f" {self.stretch[0]:.2f}-{self.stretch[1]:.2f} s" + words
        words = f" {self._clip.id} {safe(label)}{words}"[:width]
        text = "".join(cells)
        line = text[: width - len(words)] + words if place(self.at_s) < width - len(words) else text
        return Strip([Segment(line, base)], width)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()


def _columns(outline: dict[str, Any]) -> list[list[int]]:
    """A list of shades a column, the highest pitch first."""
    rows = int(outline["rows"])
    content = bytes.fromhex(outline["spectrum"])
    top = SHADES - 1
    made = []
    for first in range(0, len(content), rows):
        shares = [max(0.0, value / 255 - LOWEST_SHARE) for value in content[first : first + rows]]
        made.append([round(share / (1 - LOWEST_SHARE) * top) for share in reversed(shares)])
    return made


def _band(shades: list[int], half: int, halves: int) -> int:
    return shades[min(half * len(shades) // halves, len(shades) - 1)]
