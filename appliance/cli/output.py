"""What people see: tables that survive a narrow terminal and a pipe, times, levels, bars.

Texts from the daemon (labels, names of files and microphones) are never read as markup, and
control characters in them are shown, not obeyed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from appliance.text import count as count
from appliance.text import decibel as decibel
from appliance.text import moment as moment
from appliance.text import percent as percent
from appliance.text import safe as safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

# Wide enough that a table in a pipe or a file is never cut or folded.
PIPE_WIDTH = 4096
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_RISING = " ▁▂▃▄▅▆▇█"
_ASCII_RISING = " .:-=+*#@"


@dataclass(frozen=True)
class Column:
    """One column of a table; `fold` says that its text may run over several lines."""

    title: str
    align: Literal["left", "right"] = "left"
    fold: bool = False


def right(title: str) -> Column:
    return Column(title, align="right")


def fold(title: str) -> Column:
    return Column(title, fold=True)


@lru_cache(maxsize=1)
def _console_class() -> type[Console]:
    from rich.console import Console

    class PipeSafe(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # app.py ends the process quietly

    return PipeSafe


def console(*, stderr: bool = False) -> Console:
    """A console on the present standard output (or error): colours only on a terminal and
    without NO_COLOR; lines in a pipe are as long as they need."""
    stream = sys.stderr if stderr else sys.stdout
    on_terminal = stream.isatty()
    width = None if on_terminal or os.environ.get("COLUMNS") else PIPE_WIDTH
    return _console_class()(
        file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False
    )


def on_terminal() -> bool:
    """Whether standard output is one: elsewhere there are no bars and no curves."""
    return sys.stdout.isatty()


def live_display() -> Live | None:
    """A started display that is drawn over and over; None where there is no terminal."""
    if not on_terminal():
        return None
    from rich.live import Live

    # Redirected streams would hide from us what the terminal can show.
    live = Live(
        console=console(),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


def draw(live: Live, lines: Sequence[str]) -> None:
    """Show these lines instead of those before; what is too long is cut."""
    from rich.text import Text

    live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)


def say(text: str | Text = "", style: str | None = None) -> None:
    """One line for people on standard output."""
    console().print(text, style=style, soft_wrap=True)


def note(text: str, style: str | None = None) -> None:
    """One line for people that does not belong to the answer: on standard error."""
    console(stderr=True).print(text, style=style, soft_wrap=True)


def table(columns: Sequence[Column | str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; where it does not fit, print each row as a block of `title: value` lines.

    Empty cells are None. A cell may be a rich Text.
    """
    from rich.table import Table
    from rich.text import Text

    heads = [Column(c) if isinstance(c, str) else c for c in columns]
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        made.add_column(
            head.title,
            justify=head.align,
            no_wrap=not head.fold,
            overflow="fold",
            min_width=min(14, len(head.title) + 8) if head.fold else None,
        )
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        made.add_row(*row)
    out = console()
    if made.__rich_measure__(out, out.options.update(max_width=PIPE_WIDTH)).minimum <= out.width:
        out.print(made, soft_wrap=False)
        return
    for row in cells:
        for index, (head, cell) in enumerate(zip(heads, row, strict=True)):
            if cell.plain:
                indent = "" if index == 0 else "  "
                out.print(Text.assemble(indent, (f"{head.title}: ", "bold"), cell), soft_wrap=True)


def _cell(value: Any) -> Text:
    from rich.text import Text

    if isinstance(value, Text):
        return value
    return Text("" if value is None else safe(value))


def pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """`title  value` lines; rows without a value are left out."""
    from rich.text import Text

    kept = [(title, value) for title, value in rows if value not in (None, "")]
    width = max((len(title) for title, _ in kept), default=0)
    out = console()
    for title, value in kept:
        out.print(Text.assemble((title.ljust(width) + "  ", "bold"), _cell(value)), soft_wrap=True)


def unicode_output() -> bool:
    """Whether standard output can carry block characters."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return encoding.replace("-", "").startswith("utf")


def bar(share: float, width: int = 20) -> str:
    """A horizontal bar of `width` characters for a share of 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    if not unicode_output():
        return ("#" * round(share * width)).ljust(width)
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def level_bar(level_dbfs: float, width: int = 20) -> str:
    """A bar for a level: -60 dBFS is empty, 0 is full."""
    return bar((level_dbfs + 60.0) / 60.0, width)


def say_curve(values: Sequence[float], *, width: int = 60) -> None:
    """The curve of `plot` as lines on standard output, where that is a terminal."""
    if on_terminal():
        for line in plot(values, width=min(width, console().width)):
            say(line)


def plot(values: Sequence[float], *, width: int = 60, height: int = 6) -> list[str]:
    """A curve as `height` lines of block characters, oldest left. Several values that fall into
    one column are averaged; values that are not finite are left out."""
    import math

    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return []
    width = max(1, min(width, len(finite)))
    columns = []
    for index in range(width):
        part = finite[
            index * len(finite) // width : max(
                (index + 1) * len(finite) // width, index * len(finite) // width + 1
            )
        ]
        columns.append(sum(part) / len(part))
    low, high = min(columns), max(columns)
    span = (high - low) or 1.0
    steps = [1 + round((value - low) / span * (height * 8 - 1)) for value in columns]
    marks = _RISING if unicode_output() else _ASCII_RISING
    lines = []
    for row in range(height - 1, -1, -1):
        lines.append("".join(marks[min(max(step - row * 8, 0), 8)] for step in steps))
    return lines
