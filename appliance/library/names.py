"""What a label and a session may be called: names become folders, columns and arguments."""

from __future__ import annotations

import unicodedata

from appliance.errors import InvalidInput

BACKGROUND = "background"
LONGEST_LABEL = 64
LONGEST_KEY = 200
# A label is a folder's name in an export, and no file system takes more bytes than this.
LONGEST_FOLDER = 255
_ADVICE = "use 1 to 64 characters without line breaks, control characters or '/'"


def label_name(text: str) -> str:
    """The label as it is stored: stripped and in Unicode's composed form (NFC), so that what
    looks the same is the same. Raises InvalidInput."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InvalidInput("a label needs a name", _ADVICE)
    if len(name) > LONGEST_LABEL or len(name.encode("utf-8", "replace")) > LONGEST_FOLDER:
        raise InvalidInput(f"the label {name[:20] + '…'!r} is too long", _ADVICE)
    if "/" in name or name in (".", "..") or has_control(name):
        raise InvalidInput(f"{name!r} cannot be a label", _ADVICE)
    return name


def session_key(text: str) -> str:
    """The session's key as it is stored. Raises InvalidInput."""
    key = unicodedata.normalize("NFC", text).strip()
    if not key or len(key) > LONGEST_KEY or has_control(key):
        raise InvalidInput(
            f"{key[:40]!r} cannot name a session",
            f"use 1 to {LONGEST_KEY} characters without line breaks or control characters",
        )
    return key


def has_control(text: str) -> bool:
    """Control characters, lone surrogates, line and paragraph ends, and the marks that reverse
    the direction of writing: with those, a name on a screen is not the name that it is."""
    if text.isascii():
        # Nearly every name, and an import asks some twenty times a file.
        return not text.isprintable()
    return any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for character in text
    )
