"""Takes names and secrets out of what leaves the box in a support bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

_BUILT_IN = ("background",)
# A label of long ago, which no table knows any more, stands in paths of the log and the audit.
_PATHS = re.compile(r"(/(?:labels|thresholds)/)[^\s/?\"]+")
_QUOTED = re.compile(r"\blabel (?:'[^']*'|\"[^\"]*\")")
_DONE = re.compile(r"label-\d")
_HIDDEN = "label '(label)'"
_SECRET = re.compile(r"token|password|secret", re.IGNORECASE)


class Mask:
    """Replaces each of `names` by `label-1`, `label-2`, ... as a whole word, encoded in a path or
    not, and each of `secrets` wherever it stands."""

    def __init__(self, names: Iterable[str], secrets: Iterable[str] = ()) -> None:
        kept = sorted({name for name in names if name and name not in _BUILT_IN})
        self._number = {name.casefold(): f"label-{at}" for at, name in enumerate(kept, 1)}
        self._number |= {quote(name, safe="").casefold(): self._number[name.casefold()]
                         for name in kept}  # fmt: skip
        self._secrets = [secret for secret in secrets if secret]
        # The longest first: "dog bark" before "dog".
        words = sorted(self._number, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, words))
        self._words = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        text = _PATHS.sub(r"\1(label)", text)
        if self._number:
            text = self._words.sub(
                lambda found: self._number.get(found[0].casefold(), "label"), text
            )
        return _QUOTED.sub(lambda found: found[0] if _DONE.search(found[0]) else _HIDDEN, text)

    def value(self, value: Any) -> Any:
        """Of JSON: every text in it, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value


def without_secrets(settings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of settings; the value of one that is called a token, password or secret goes."""
    return [
        {**row, "value": "(secret)"} if _SECRET.search(str(row["name"])) else dict(row)
        for row in settings
    ]
