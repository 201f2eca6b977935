"""`python -m appliance.audio.decode_child FD`: decodes files, one after another, under limits.

It reads requests from the socket FD and ends when that socket closes. Limits: address space
beyond what the interpreter itself takes, processor time for each stretch of sound, size of a
written file, open files. See `decode.py` for the other side.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from appliance.audio.message import receive, send
from appliance.errors import DecodeError

MEMORY_BYTES = 256 * 1024 * 1024
CPU_SECONDS = 10
OPEN_FILES = 32
_PR_SET_NO_NEW_PRIVS = 38


def limit_process() -> None:
    """Set the limits that hold for the child's whole life. Call it after the imports."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    ours = pages * resource.getpagesize()
    _limit(resource.RLIMIT_AS, ours + MEMORY_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit_file(size: int) -> None:
    """No file written from now on may be longer than `size` bytes."""
    _limit(resource.RLIMIT_FSIZE, size)


def limit_time(seconds: int = CPU_SECONDS) -> None:
    """Allow `seconds` more of processor time; the kernel ends the child (SIGXCPU) beyond it."""
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (soft, hard))


def main() -> int:
    channel = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C in a terminal goes to the whole group; the daemon decides when its children end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    broken = ""
    try:
        from appliance.audio import decode_work

        limit_process()
    except Exception:
        # Said in reply to the first request: at this moment nobody listens.
        broken = traceback.format_exc()
    while True:
        try:
            request, descriptor = receive(channel)
        except (EOFError, OSError, json.JSONDecodeError):
            return 0

        def alive() -> None:
            limit_time()
            send(channel, {"alive": True})

        try:
            if broken:
                reply: dict[str, Any] = _failure(broken)
            else:
                limit_time()
                reply = decode_work.work(request, descriptor, alive, limit_file)
        except BrokenPipeError:
            return 0
        except DecodeError as error:
            reply = {"error": error.message, "advice": error.advice}
        except MemoryError:
            reply = {
                "error": "the file needs more memory than a decoder may use",
                "advice": "convert it to WAV or FLAC with at most 8 channels",
            }
        except OSError as error:
            reply = _failure(traceback.format_exc(), error)
        except Exception:
            reply = _failure(traceback.format_exc())
        finally:
            if descriptor is not None:
                os.close(descriptor)
        try:
            send(channel, reply)
        except OSError:
            return 0


def _failure(trace: str, error: OSError | None = None) -> dict[str, Any]:
    if error is not None and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {
            "kind": "no space",
            "error": "the disk is full: the clip was not written",
            "advice": "free some space and send the file again",
        }
    last = trace.strip().splitlines()[-1]
    return {
        "kind": "broken",
        "error": f"the decoder does not work: {last}",
        "advice": "see the daemon's log; `make setup` installs what is missing",
        "trace": trace,
    }


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
