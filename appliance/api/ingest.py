"""From uploaded files to clips: decoded while the rest still comes, stored in one commit.

A file whose bytes were imported before is known by its hash and not decoded again. A bad file is
reported beside the others and stops none of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from appliance.api import problems
from appliance.api.multipart import Form, ReceivedFile
from appliance.api.schemas.base import Problem
from appliance.api.schemas.clips import UploadForm, UploadItem, UploadResult
from appliance.api.services import Services
from appliance.audio.flac import Piece
from appliance.errors import Conflict, EarmarkError, InvalidInput, Unavailable
from appliance.library.clip import Clip
from appliance.library.durable import make_durable
from appliance.library.ingest import NewPiece
from appliance.library.names import has_control, label_name, session_key

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)

Decoded: TypeAlias = "list[int] | list[Piece]"
"""What a file gave: the ids of the clips that it has become before, or its pieces as FLAC."""

LONGEST_EXTRA = 16_000


class Import:
    """One request's files on their way to clips. A `multipart.Worker`; then call `finish`."""

    def __init__(self, services: Services, author: str) -> None:
        self._services = services
        self._author = author
        self._split: float | None = None
        self._decoded: list[Future[Decoded]] = []

    # --- while the body comes ------------------------------------------------------------------

    def on_file(self, file: ReceivedFile, form: Form) -> None:
        if self._split is None:
            self._split = _form(form).split
        self._decoded.append(self._services.decoding.submit(self._decode, file, self._split))

    def end(self) -> None:
        for future in self._decoded:
            future.cancel()
        wait(self._decoded)

    def _decode(self, file: ReceivedFile, split: float) -> Decoded:
        known = self._services.house.clips.known_upload(file.sha256, split)
        if known is not None:
            return known
        return self._services.house.decoder.to_flac(
            file.path,
            file.path.parent,
            piece_seconds=split,
            max_seconds=self._services.settings.audio.max_file_minutes * 60.0,
        )

    # --- when it is complete -------------------------------------------------------------------

    def finish(self, form: Form) -> list[UploadResult]:
        """Store what can be stored; one result a file, in order. Raises what concerns them all."""
        if not form.files:
            raise InvalidInput(
                "there is no file in the request", "send each file as a part called `file`"
            )
        given = _form(form)
        if given.split != self._split:
            raise InvalidInput(
                "`split` came after the first file", "put the part `split` before the files"
            )
        items = list(self._items(form, given))
        results = [UploadResult(item.name, file.sha256, [], False, None) for item, file in items]
        ready: list[tuple[int, Decoded]] = []
        for number, (item, _) in enumerate(items):
            try:
                item.check()
                ready.append((number, self._decoded[number].result()))
            except EarmarkError as error:
                results[number].error = _told(error)
            except CancelledError:
                results[number].error = _told(
                    Unavailable("the daemon is stopping", "send the file again")
                )
        # Before the transaction: nobody else can write while that lasts.
        ready = self._durable(ready)
        # One transaction for all: sessions, clips, and what is remembered of the files.
        with self._services.house.db.write():
            self._store(items, ready, results, given)
        return results

    def _durable(self, ready: list[tuple[int, Decoded]]) -> list[tuple[int, Decoded]]:
        """The same, with every new file fsynced, all in one moment."""
        flat = [piece for _, decoded in ready for piece in decoded if isinstance(piece, Piece)]
        durable = iter(make_durable(flat))
        return [
            (number, [next(durable) for _ in decoded] if _is_new(decoded) else decoded)
            for number, decoded in ready
        ]

    def _items(self, form: Form, given: UploadForm) -> Iterator[tuple[_Item, ReceivedFile]]:
        items = (
            given.items
            if given.items is not None
            else [UploadItem.model_validate({})] * len(form.files)
        )
        if len(items) != len(form.files):
            raise InvalidInput(
                f"`items` describes {len(items)} files, but {len(form.files)} came",
                "give one entry a file, in the order of the files",
            )
        for one, file in zip(items, form.files, strict=True):
            said = one.model_dump(exclude_unset=True)
            merged = {
                name: said.get(name, getattr(given, name)) for name in ("label", "session", "extra")
            }
            yield _Item(name=one.filename or file.filename, **merged), file

    def _store(
        self,
        items: list[tuple[_Item, ReceivedFile]],
        ready: list[tuple[int, Decoded]],
        results: list[UploadResult],
        given: UploadForm,
    ) -> None:
        clips = self._services.house.clips
        pieces: list[NewPiece] = []
        owners: list[int] = []
        for number, decoded in ready:
            item = items[number][0]
            if decoded and isinstance(decoded[0], int):
                self._known(results[number], [i for i in decoded if isinstance(i, int)], item)
                continue
            session = (
                clips.new_session(None, given.session_kind)
                if item.session is None
                else clips.session_for(item.session, given.session_kind)
            )
            for piece in decoded:
                assert isinstance(piece, Piece)
                owners.append(number)
                pieces.append(
                    NewPiece(
                        piece,
                        source="import",
                        session=session,
                        label=item.label,
                        filename=item.name,
                        extra=item.extra,
                        author=self._author,
                    )
                )
        for number, added in zip(owners, clips.add_pieces(pieces), strict=True):
            result = results[number]
            result.clips.append(added.clip)
            result.new = result.new or added.new
            if added.refused_label is not None:
                result.error = _kept(added.clip, added.refused_label)
        for number in dict.fromkeys(owners):
            clips.remember_upload(
                results[number].sha256, given.split, [clip.id for clip in results[number].clips]
            )

    def _known(self, result: UploadResult, ids: list[int], item: _Item) -> None:
        """A file that was imported before: a label goes to those of its clips that have none."""
        clips = self._services.house.clips
        found = clips.get_many(ids)
        if item.label is not None:
            label = label_name(item.label)
            bare = [clip.id for clip in found if clip.label is None]
            if bare:
                clips.set_label(bare, label, self._author, create=True)
                found = clips.get_many(ids)
            for clip in found:
                if clip.label != label:
                    result.error = _kept(clip, label)
        result.clips = found


def _is_new(decoded: Decoded) -> bool:
    return bool(decoded) and isinstance(decoded[0], Piece)


class _Item:
    """What belongs to one file, its own values before the request's."""

    def __init__(
        self, name: str, label: str | None, session: str | None, extra: dict[str, Any] | None
    ) -> None:
        self.name = name.replace("\\", "/").rstrip("/").rpartition("/")[2] or "unnamed"
        self._whole = name
        self.label = label
        self.session = session
        self.extra = extra

    def check(self) -> None:
        """Raises InvalidInput for what would make the store refuse this file."""
        if has_control(self._whole):
            raise InvalidInput(
                f"the file's name {self._whole[:80]!r} holds a line break or control character",
                "rename the file",
            )
        if self.label is not None:
            label_name(self.label)
        if self.session is not None:
            session_key(self.session)
        if self.extra is not None and len(json.dumps(self.extra)) > LONGEST_EXTRA:
            raise InvalidInput(
                "the further columns of the file are too long", f"give at most {LONGEST_EXTRA} B"
            )


def _told(error: EarmarkError) -> Problem:
    return Problem.model_validate(problems.of_error(error))


def _kept(clip: Clip, label: str) -> Problem:
    return _told(
        Conflict(
            f"this sound is clip {clip.id} already, labelled {clip.label!r}: it keeps that label "
            f"and was not given {label!r}",
            f"relabel clip {clip.id} if {label!r} is right",
        )
    )


def _form(form: Form) -> UploadForm:
    """The parts beside the files. Raises InvalidInput."""
    values: dict[str, Any] = dict(form.fields)
    for name in ("items", "extra"):
        if name in values:
            with suppress(ValueError):
                values[name] = json.loads(values[name])
            if isinstance(values[name], str):
                raise InvalidInput(f"the part {name!r} is not JSON", "send JSON text in it")
    for name in ("label", "session"):
        # What an empty field of a form means.
        if values.get(name) == "":
            values[name] = None
    return validated(UploadForm, values)


def validated(model: type[M], values: dict[str, Any]) -> M:
    """`values` as `model`, in the words of a problem. Raises InvalidInput."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        detail, advice = problems.readable(error.errors(), "form")
        raise InvalidInput(detail, advice or "see POST /clips in docs/api.md") from None
