"""The link by which one clip is heard in a browser on the person's own machine."""

from __future__ import annotations

import getpass
import os
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.dialogs.dialog import Dialog


class LinkBox(Dialog[None]):
    """Shows the link and the ssh line that makes it reachable, each on one line, so that a
    terminal can copy or open it."""

    DEFAULT_CSS = """
    LinkBox > #dialog { width: 96%; max-width: 100; }
    """

    def __init__(self, clip: int, link: dict[str, Any]) -> None:
        super().__init__()
        self._clip, self._link = clip, link

    def compose(self) -> ComposeResult:
        minutes = self._link["valid_s"] // 60
        with Vertical(id="dialog"):
            yield Static(f"Hear clip {self._clip} where you are", id="dialog-title", markup=False)
            yield Static(
                "On your own machine, in another terminal:\n\n"
                f"{tunnel(self._link['tunnel'])}\n\n"
                f"then open this in a browser there. It opens this sound alone, for {minutes} "
                f"minutes:\n\n{self._link['url']}",
                id="dialog-detail",
                markup=False,
            )
            yield Static("Escape closes", id="dialog-keys", markup=False)


def tunnel(line: str) -> str:
    """The ssh line with the name and address that this person came in by, where they are known."""
    came = os.environ.get("SSH_CONNECTION", "").split()
    if len(came) != 4:
        return line
    address, port = came[2], came[3]
    at = f"{getpass.getuser()}@{address}"
    return line.replace("USER@BOX", at if port == "22" else f"-p {port} {at}")
