"""What a person types to find clips, as the conditions that the API takes.

kettle                 a part of the file's name
label:kettle           clips with that label         unlabelled    clips without one
mic:yard               from that microphone          session:17    of that session
source:trigger         made that way                 since:2d      not older (s, m, h, d, w)
duplicates             nearly the same sound as another clip
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
WORDS = ("label", "mic", "session", "source", "since", "until", "text")


@dataclass(frozen=True)
class Wanted:
    """`params` are those of GET /clips; `wrong` says what could not be understood, or is ""."""

    params: Mapping[str, Any]
    wrong: str = ""


def parse(text: str, microphones: Mapping[str, str], now: float | None = None) -> Wanted:
    """microphones: name -> id; now: epoch seconds, for ages."""
    present = time.time() if now is None else now
    params: dict[str, Any] = {}
    rest: list[str] = []
    wrong = ""
    for word in re.findall(r'\w+:"[^"]*"?|\S+', text):
        name, colon, value = word.partition(":")
        value = value.strip('"')
        if word in ("unlabelled", "duplicates"):
            params[word] = True
        elif not colon or name not in WORDS:
            rest.append(word)
        elif not value:
            continue  # still being typed
        elif name == "mic":
            named = {key.casefold(): identifier for key, identifier in microphones.items()}
            params["microphone"] = named.get(value.casefold(), value)
        elif name in ("since", "until"):
            age = _AGE.fullmatch(value)
            if age is None:
                wrong = f"{name}: is an age like 90s, 2h or 3d"
            else:
                params[name] = present - float(age[1]) * _UNITS[age[2]]
        else:
            params[name] = value
    if rest:
        params["text"] = " ".join(rest)
    return Wanted(params, wrong)
