"""The files of a batch made durable in one moment: all their fsyncs at once.

A file system that keeps a journal commits it for each fsync that waits alone, and once for those
that wait together; so a batch costs about as much as one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from appliance.audio.flac import Piece
from appliance.library.disk import disk_errors
from appliance.paths import fsync_file

AT_ONCE = 8


def make_durable(pieces: Sequence[Piece]) -> list[Piece]:
    """The same pieces, their contents fsynced; those that are durable already cost nothing.

    The files' names are not durable yet: that is the fsync of their folder, after the rename. Call
    it without the database's lock where that can be: a slow card takes a second for a batch.
    Raises LowSpace or StoreError; the files must then be discarded, and never be fsynced again:
    the kernel reports a lost block once.
    """
    waiting = [piece.path for piece in pieces if not piece.durable]
    with disk_errors("storing the clip"):
        if len(waiting) == 1:
            fsync_file(waiting[0])
        elif waiting:
            with ThreadPoolExecutor(min(AT_ONCE, len(waiting)), "fsync") as threads:
                list(threads.map(fsync_file, waiting))
    return [piece if piece.durable else replace(piece, durable=True) for piece in pieces]
