"""`python -m appliance.audio.capture_child SPEC`: one microphone, from open to failure.

It writes blocks to standard output (see `wire.py`) and ends when the source fails or ends, when
nobody reads any more, or when standard input closes, which the death of the supervisor does too.
It never retries: a new process has a fresh list of devices, which PortAudio otherwise freezes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import traceback

from appliance.audio.source import Source, SourceError, SourceSpec, parse_source
from appliance.audio.wire import PIPE_BYTES, BlockWriter, Ending

AGAIN = "it is heard once; with ?loop=1 behind the path it begins again for ever"


def make_source(spec: SourceSpec) -> Source:
    """The source that a spec names, not opened yet."""
    if spec.kind == "replay":
        from appliance.audio.replay import ReplaySource

        return ReplaySource(spec)
    from appliance.audio.microphone import PyAudioSource

    return PyAudioSource(spec)


def run(source: Source, name: str, descriptor: int) -> int:
    """Pump blocks from `source` to the pipe `descriptor` until it ends; the exit status."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    writer = BlockWriter(descriptor)
    try:
        try:
            writer.opened(source.open(), name)
            while (block := source.read()) is not None:
                writer.block(block)
            ending = Ending("ended", "the replay is over", AGAIN)
        except SourceError as error:
            ending = Ending(error.state, error.message, error.advice)
        except BrokenPipeError:
            return 0
        except Exception as error:
            traceback.print_exc()
            ending = Ending("failed", f"{type(error).__name__}: {error}", "see the daemon's log")
        writer.ending(ending)
    except BrokenPipeError:
        return 0
    finally:
        with contextlib.suppress(Exception):
            source.close()
    return 0


def end_with_parent() -> None:
    """End this process as soon as standard input closes."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def main() -> int:
    # Ctrl-C in a terminal goes to the whole group; the daemon decides when its children end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    # What a library prints to standard output must not end up among the blocks.
    pipe = os.dup(1)
    os.dup2(2, 1)
    name = json.loads(sys.argv[1])["source"]
    return run(make_source(parse_source(name)), name, pipe)


if __name__ == "__main__":
    sys.exit(main())
