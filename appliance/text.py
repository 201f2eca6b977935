"""Text from elsewhere made fit for a terminal, and figures as people read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime


def safe(text: object) -> str:
    """`text` on one line, with control characters replaced by their escapes."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(letter) in ("LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "FSI")
        else letter
        for letter in str(text)
    )


def moment(epoch: float | None) -> str:
    """Local date and time of an epoch time; empty for None."""
    if epoch is None:
        return ""
    try:
        return datetime.fromtimestamp(epoch).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{epoch:.0f}"


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def decibel(level: float | None) -> str:
    return "" if level is None else f"{level:.0f} dB"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 clip`, `3 clips`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def did_you_mean(asked: str, known: Iterable[str], more: str = "") -> str:
    """`did you mean 'dog'?` for the nearest of the known names, and `more`; or that alone."""
    from difflib import get_close_matches  # needed only where somebody mistyped

    by_folded = {name.casefold(): name for name in known}
    close = get_close_matches(asked.casefold(), by_folded, n=1, cutoff=0.6)
    return f"did you mean {by_folded[close[0]]!r}? {more}".rstrip() if close else more


def how_to_begin(newest: str | None) -> str:
    """How a first version comes to listen; `newest`: the latest that there is."""
    if newest is None:
        return "train a version first: `earmark train`"
    return f"let one listen: `earmark deploy {newest}`; `earmark versions` lists them"
