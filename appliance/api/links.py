"""Links to the sound of one clip, for a browser that cannot send the token.

Nobody hears a remote speaker over SSH; a browser at the other end of `ssh -L` can play the clip.
The link holds the clip's id and the second it ends, signed with a key that lives as long as the
daemon: it opens this one sound, for five minutes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

from appliance import clock
from appliance.errors import NotFound

VALID_S = 300
PREFIX = "/hear/"
_FORM = re.compile(r"(\d{1,18})-(\d{1,12})-([a-z2-7]{26})")


class ClipLinks:
    def __init__(self, now: Callable[[], float] = clock.seconds) -> None:
        """now: seconds of a clock that nobody sets and that goes on in suspend; a wall clock that
        jumps would make links live for years."""
        self._key = secrets.token_bytes(32)
        self._now = now

    def make(self, clip: int) -> str:
        """The path of a link to the sound of `clip`."""
        ends = int(self._now()) + VALID_S
        return f"{PREFIX}{clip}-{ends}-{self._sign(clip, ends)}"

    def clip_of(self, ticket: str) -> int:
        """The clip that the last part of a link opens. Raises NotFound."""
        match = _FORM.fullmatch(ticket)
        clip, ends = (int(match[1]), int(match[2])) if match else (0, 0)
        # Compared in any case, so that the time it takes says nothing.
        same = hmac.compare_digest(match[3] if match else "", self._sign(clip, ends))
        if not same or self._now() > ends:
            raise NotFound(
                "this link does not open anything, or not any more",
                "links to a clip live for five minutes: make a new one",
            )
        return clip

    def opens(self, path: str) -> bool:
        """Whether `path` is a link that opens something now."""
        try:
            self.clip_of(path.removeprefix(PREFIX))
        except NotFound:
            return False
        return path.startswith(PREFIX)

    def _sign(self, clip: int, ends: int) -> str:
        """128 bits: nobody guesses them in five minutes, and the link fits on one line of 80."""
        mac = hmac.digest(self._key, f"{clip}-{ends}".encode(), hashlib.sha256)
        return base64.b32encode(mac[:16]).decode().rstrip("=").lower()
