"""Multipart bodies, streamed to disk: a body is never in memory, and never above its cap.

Starlette's own parser spools every part without a cap on the whole; here the cap counts each
byte as it comes, each file is hashed while it is written, and a request that fails leaves
nothing behind. Parsing, hashing and writing happen in a thread, a block at a time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from appliance.api.limits import declared
from appliance.api.multipart import Form, Sink, Worker
from appliance.errors import InvalidInput
from appliance.library.disk import check_room, disk_errors
from appliance.paths import DataFolder

BLOCK = 1 << 19
"""Bytes that are collected before a thread takes them."""
_FOLDER_PREFIX = "upload-"


@asynccontextmanager
async def received(
    request: Request, folder: DataFolder, cap: int, worker: Worker | None = None
) -> AsyncIterator[Form]:
    """The form of `request`; its files go when the block ends, however it ends.

    Raises InvalidInput, TooLarge and LowSpace.
    """
    content_type = request.headers.get("content-type", "")
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidInput(
            f"the body is {content_type[:80] or 'of no type'!r}, not multipart/form-data",
            "send each file as a part called `file`: curl -F file=@sound.wav",
        )
    await run_in_threadpool(check_room, folder, declared(request.scope))
    work = Path(
        await run_in_threadpool(tempfile.mkdtemp, prefix=_FOLDER_PREFIX, dir=folder.incoming)
    )
    sink = Sink(work, options[b"boundary"], cap, worker, partial(check_room, folder))

    def clean() -> None:
        sink.close()
        if worker is not None:
            worker.end()
        shutil.rmtree(work, ignore_errors=True)

    try:
        await _stream(request, sink)
        yield sink.form
    finally:
        # Also when the daemon stops and cancels this task.
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(clean)


def sweep(folder: DataFolder) -> int:
    """Remove what uploads of an earlier daemon left; for the start, before anything is served."""
    left = list(folder.incoming.glob(f"{_FOLDER_PREFIX}*"))
    for work in left:
        shutil.rmtree(work, ignore_errors=True)
    return len(left)


async def _stream(request: Request, sink: Sink) -> None:
    block = bytearray()
    try:
        with disk_errors("the upload"):
            async for chunk in request.stream():
                block += chunk
                if len(block) >= BLOCK:
                    await run_in_threadpool(sink.write, bytes(block))
                    block.clear()
            await run_in_threadpool(sink.finish, bytes(block))
    except ClientDisconnect:
        raise InvalidInput(
            "the upload stopped before its end: nothing of it was kept", "send it again"
        ) from None
    except FormParserError as error:
        raise InvalidInput(
            f"the multipart body is broken: {error}", "send it with curl -F or `earmark import`"
        ) from None
