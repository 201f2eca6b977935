"""The first instants of a training child: humble itself, wait for permission, become the worker.

`python -m appliance.jobs.launch GATE PARENT NICE COMMAND...`: a process of its own, because what
it does must happen between fork and exec, where a daemon with threads may run no Python. It ends
with its parent (PR_SET_PDEATHSIG survives exec), and begins only once one byte comes through the
pipe GATE: by then the daemon has committed this process's id. Without that byte it goes away.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
OOM_SCORE = 500
"""When memory is short the training goes first, long before the daemon."""

NOT_ALLOWED = 96
"""Exit status of a child that was never let through the gate."""


def main(arguments: list[str]) -> None:
    gate, parent, nice, *command = arguments
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the line above: then no signal will ever come.
    if os.getppid() != int(parent):
        os._exit(NOT_ALLOWED)
    with contextlib.suppress(OSError):  # already humbler than asked, or not permitted
        os.setpriority(os.PRIO_PROCESS, 0, int(nice))
    # A session is a scheduling group of its own where the kernel groups them (autogroup): a nice
    # value then only counts inside it, and the group has to be humbled as well.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(nice)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    if os.read(int(gate), 1) != b"g":
        os._exit(NOT_ALLOWED)
    os.close(int(gate))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
