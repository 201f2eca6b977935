"""Confusion matrix and training curves as PNG, for reports and for whoever has no terminal.

Drawn with Pillow, which is small; colours can be told apart by people who see red and green
alike, and every mark also stands in words or figures.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

INK: Colour = (30, 34, 40)
FAINT: Colour = (120, 126, 134)
GRID: Colour = (222, 226, 230)
PAPER: Colour = (255, 255, 255)
BLUE: Colour = (20, 92, 158)
ORANGE: Colour = (203, 96, 21)

LONGEST_LABEL = 190
"""Pixels; longer labels are cut with an ellipsis."""

_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf")
_LARGEST_CELL, _SMALLEST_CELL = 56, 14
_LARGEST_MATRIX = 1_120
_SMALLEST_DIGITS = 8
_MARGIN = 28


@lru_cache(maxsize=8)
def font(size: int) -> Font:
    """A font with as many letters as this system offers; Pillow's own when it has none."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def shorten(text: str, width: float, face: Font) -> str:
    """Cut at the end with an ellipsis until it fits in `width` pixels."""
    if face.getlength(text) <= width:
        return text
    kept = text
    while kept and face.getlength(kept + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def confusion_png(evaluation: dict[str, Any]) -> bytes:
    """Rows: what clips are labelled; columns: what was predicted. Shade: share of the row."""
    labels: list[str] = evaluation["confusion"]["labels"]
    counts: list[list[int]] = evaluation["confusion"]["counts"]
    cell = max(_SMALLEST_CELL, min(_LARGEST_CELL, _LARGEST_MATRIX // max(len(labels), 1)))
    face, heading = font(max(10, min(15, cell - 3))), font(18)
    names = [shorten(label, LONGEST_LABEL, face) for label in labels]
    space = math.ceil(max((face.getlength(name) for name in names), default=0)) + 12
    title = _confusion_title(evaluation)
    subtitle = "rows: labelled   columns: predicted   shade: share of the row"
    side = cell * len(labels)
    left, top = _MARGIN + space, _MARGIN + 58 + space
    width = (
        max(
            left + side,
            *(_MARGIN + int(font(n).getlength(t)) for n, t in ((18, title), (13, subtitle))),
        )
        + _MARGIN
    )
    image = Image.new("RGB", (width, top + side + _MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((_MARGIN, _MARGIN - 6), title, INK, heading)
    draw.text((_MARGIN, _MARGIN + 22), subtitle, FAINT, font(13))
    for i, name in enumerate(names):
        middle = top + i * cell + cell / 2
        draw.text((left - 8, middle), name, INK, face, anchor="rm")
        _upright(image, name, (left + i * cell + cell / 2, top - 8), face)
    for i, row in enumerate(counts):
        total = max(sum(row), 1)
        for j, count in enumerate(row):
            if not count:
                continue
            corner = (left + j * cell, top + i * cell)
            share = count / total
            shade = _mixed(PAPER, BLUE if i == j else ORANGE, share)
            draw.rectangle((*corner, corner[0] + cell, corner[1] + cell), fill=shade)
            size = _fitting(str(count), cell)
            if size >= _SMALLEST_DIGITS:
                ink = PAPER if share > 0.55 else INK
                centre = (corner[0] + cell / 2, corner[1] + cell / 2)
                draw.text(centre, str(count), ink, font(size), anchor="mm")
    for n in range(len(labels) + 1):
        draw.line((left + n * cell, top, left + n * cell, top + side), GRID)
        draw.line((left, top + n * cell, left + side, top + n * cell), GRID)
    return _png(image)


def curves_png(evaluation: dict[str, Any]) -> bytes:
    """Loss above, accuracy below, over the steps of the training."""
    points = evaluation.get("curves") or []
    loss, accuracy = _series(points, "loss"), _series(points, "accuracy")
    last = max([x for x, _ in loss + accuracy], default=0.0) or 1.0
    # Drawn twice as large and reduced, so that the lines are smooth.
    image = Image.new("RGB", (1800, 1280), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((56, 32), "Training curves", INK, font(36))
    _panel(draw, (180, 132, 1740, 600), "loss", loss, BLUE, last)
    judged = {str(point["accuracy_on"]) for point in points if point.get("accuracy_on")}
    name = "accuracy" + "".join(f" on {what}" for what in sorted(judged)[:2])
    _panel(draw, (180, 712, 1740, 1172), name, accuracy, ORANGE, last, highest=1.0)
    draw.text((960, 1244), "step", FAINT, font(26), anchor="mm")
    return _png(image.resize((900, 640), Image.Resampling.LANCZOS))


def _confusion_title(evaluation: dict[str, Any]) -> str:
    clips = sum(map(sum, evaluation["confusion"]["counts"]))
    accuracy = evaluation.get("accuracy")
    figure = f", accuracy {100 * accuracy:.1f} %" if accuracy is not None else ""
    hint = " (optimistic)" if evaluation.get("optimistic") else ""
    return f"Confusion matrix: {clips} clips{figure}{hint}"


def _upright(image: Image.Image, text: str, foot: tuple[float, float], face: Font) -> None:
    """Write upwards from `foot`, the middle of the text's beginning."""
    _, top, right, bottom = face.getbbox(text)
    strip = Image.new("L", (math.ceil(right) + 2, math.ceil(bottom - top) + 4), 0)
    ImageDraw.Draw(strip).text((0, 2 - top), text, 255, face)
    turned = strip.rotate(90, expand=True)
    place = (round(foot[0] - turned.width / 2), round(foot[1] - turned.height))
    image.paste(Image.new("RGB", turned.size, INK), place, turned)


def _panel(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    name: str,
    series: Sequence[tuple[float, float]],
    colour: Colour,
    last_x: float,
    highest: float | None = None,
) -> None:
    left, top, right, bottom = box
    draw.text((left, top - 28), name, colour, font(28), anchor="lm")
    if not series:
        draw.rectangle(box, outline=GRID, width=2)
        middle = ((left + right) / 2, (top + bottom) / 2)
        draw.text(middle, "nothing was measured", FAINT, font(28), anchor="mm")
        return
    low = min(0.0, *(y for _, y in series), 0.0)
    high = highest or max(y for _, y in series)
    high = high if high > low else low + 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        up = (min(max(y, low), high) - low) / (high - low)
        return left + x / last_x * (right - left), bottom - up * (bottom - top)

    for y in _ticks(low, high, 5):
        height = place(0, y)[1]
        draw.line((left, height, right, height), GRID, 2)
        draw.text((left - 16, height), f"{y:g}", FAINT, font(24), anchor="rm")
    for x in _ticks(0, last_x, 8):
        if x == int(x):
            draw.text((place(x, low)[0], bottom + 28), f"{x:g}", FAINT, font(24), anchor="mm")
    line = [place(x, y) for x, y in series]
    if len(line) > 1:
        draw.line(line, colour, 4, joint="curve")
    if len(line) <= 40:
        for x, y in line:
            draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
    draw.text((right, top - 28), f"last {series[-1][1]:.3g}", INK, font(26), anchor="rm")


def _series(points: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    """The finite points of one curve, in the order of their steps."""
    found = [
        (float(point["step"]), float(point[name]))
        for point in points
        if isinstance(point.get("step"), (int, float))
        and isinstance(point.get(name), (int, float))
        and math.isfinite(point[name])
    ]
    return sorted(found)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high, at most about `most`."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _fitting(text: str, cell: int) -> int:
    """The largest font size, up to 15, in which the number fits its cell."""
    size = 15
    while size >= _SMALLEST_DIGITS and font(size).getlength(text) > cell - 4:
        size -= 1
    return size


def _mixed(paper: Colour, ink: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(paper, ink, strict=True))
    return red, green, blue


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
