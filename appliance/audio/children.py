"""Ending a child for certain, whatever it does."""

from __future__ import annotations

import logging
import subprocess

log = logging.getLogger(__name__)

KILLED_WITHIN_S = 5.0


def end_child(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Give a child that was told to end `grace_s` to do so, then kill it.

    One that hangs in the kernel (a USB driver may) cannot even be killed: it is left behind with
    a line in the log, rather than hang the daemon too.
    """
    for wait_s in (grace_s, KILLED_WITHIN_S):
        try:
            process.wait(timeout=wait_s)
            return
        except subprocess.TimeoutExpired:
            process.kill()
    log.error("process %d cannot be killed: it hangs in the kernel and is left behind", process.pid)
