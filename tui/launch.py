"""From the command to the running UI, and back to a sane terminal, whatever ends it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tui.app import EarmarkApp

LEAVE_S = 5.0


def run(
    *,
    url: str | None,
    token: str | None,
    data: Path | None,
    low_bandwidth: bool,
    theme: str,
) -> int:
    """Run until the person leaves; the exit status."""
    app = EarmarkApp(url=url, token=token, data=data, low_bandwidth=low_bandwidth, theme=theme)
    app.run()
    # A terminal that is gone can block a last write for ever: the process ends all the same.
    timer = threading.Timer(LEAVE_S, os._exit, [1])
    timer.daemon = True
    timer.start()
    return app.return_code or 0
