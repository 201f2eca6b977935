"""Bodies about clips and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from appliance.api.schemas.base import LARGEST_ID, Body, Problem, example
from appliance.library.clip import Clip

MOST_IDS = 100_000
MOST_HASHES = 20_000

ClipId = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class ClipQuery(Body):
    """Which clips. Every condition must hold; times are those of the recording."""

    label: str | None = Field(None, description="clips that carry this label")
    unlabelled: bool = Field(False, description="only clips without a label")
    microphone: str | None = Field(
        None, max_length=1024, description="a microphone's id or name, also of a removed one"
    )
    session: str | None = Field(None, description="a session's key, or else its id")
    session_id: int | None = Field(None, ge=1, le=LARGEST_ID, description="a session's id")
    source: str | None = Field(None, description="import, recording, trigger, schedule, ...")
    since: float | None = Field(None, description="epoch seconds", allow_inf_nan=False)
    until: float | None = Field(None, description="epoch seconds", allow_inf_nan=False)
    dataset_version: str | None = Field(None, description="clips that this version holds")
    text: str | None = Field(None, max_length=200, description="part of the file's name")
    duplicates: bool = Field(False, description="only clips nearly the same sound as another")


class ClipPageQuery(ClipQuery):
    """Which clips, and which page of them."""

    limit: int = Field(100, ge=1, le=500, description="items a page")
    cursor: str | None = Field(
        None, max_length=200, description="`next` of the page before this one"
    )


class InboxQuery(Body):
    """Which clips without a label, and which page of them."""

    label: str | None = Field(None, max_length=200, description="only where it is suggested")
    microphone: str | None = Field(None, max_length=1024, description="an id or a name")
    limit: int = Field(100, ge=1, le=500, description="items a page")
    cursor: str | None = Field(
        None, max_length=200, description="`next` of the page before this one"
    )


class LabelOne(Body):
    """The label of one clip; null takes it away."""

    model_config = example({"label": "dog"})

    label: str | None = Field(max_length=200)


class Keep(Body):
    """Clips that shall stay when room is made, or (false) need not."""

    model_config = example({"clips": [1, 2, 3], "keep": True})

    clips: list[ClipId] = Field(max_length=MOST_IDS)
    keep: bool = True


class LabelMany(Body):
    """One label for many clips, named by their ids or by a filter."""

    model_config = example({"clips": [1, 2, 3], "label": "dog"})

    clips: list[ClipId] | None = Field(None, max_length=MOST_IDS)
    filter: ClipQuery | None = None
    label: str | None = Field(max_length=200)


class Changed(BaseModel):
    """How many were changed; those that were so already are not counted."""

    changed: int


class Labelled(Changed):
    """`warnings`: which of the clips have another label than a near duplicate of them."""

    warnings: list[str]


class Stretch(Body):
    """Seconds of a clip; without `end_s` to its end."""

    model_config = example({"start_s": 0.4, "end_s": 1.25})

    start_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    end_s: float | None = Field(None, gt=0, allow_inf_nan=False)


class Cut(Body):
    """A stretch of a clip, in seconds from its beginning, that becomes a clip of its own."""

    model_config = example({"start_s": 1.5, "end_s": 3.0, "label": "dog"})

    start_s: float = Field(allow_inf_nan=False)
    end_s: float = Field(allow_inf_nan=False)
    label: str | None = Field(None, max_length=200)


class Known(Body):
    """Hashes of files as they lie on the client's disk."""

    model_config = example({"sha256": ["0" * 64], "split": 60})

    sha256: list[str] = Field(max_length=MOST_HASHES)
    split: float = Field(60.0, gt=0, le=60, description="seconds a clip")


class KnownAnswer(BaseModel):
    """For each file that was imported before, the clips that were made of it."""

    known: dict[str, list[int]]


class UploadItem(Body):
    """What belongs to one file of a request, where the files differ."""

    model_config = example(
        {"filename": "dog/1-100032-A.wav", "label": "dog", "session": "100032", "extra": {}}
    )

    filename: str | None = Field(None, max_length=1024)
    label: str | None = Field(None, max_length=200)
    session: str | None = Field(None, max_length=400)
    extra: dict[str, Any] | None = None


class UploadForm(Body):
    """The parts of an upload beside its files."""

    label: str | None = Field(None, max_length=200)
    session: str | None = Field(None, max_length=400)
    session_kind: str = Field("import", pattern="^[a-z]{1,32}$")
    split: float = Field(60.0, ge=0.5, le=60, description="seconds a clip at most")
    extra: dict[str, Any] | None = None
    items: list[UploadItem] | None = None


@dataclass
class UploadResult:
    """What became of one file. With an error beside clips, the sound was known under another
    label and kept it; with an error and no clips, the file is not usable."""

    filename: str
    sha256: str
    clips: list[Clip]
    new: bool
    error: Problem | None


class UploadAnswer(BaseModel):
    results: list[UploadResult]


class LabelName(Body):
    """A label's name: 1 to 64 characters, without line breaks, control characters or "/"."""

    model_config = example({"name": "dog"})

    name: str = Field(max_length=200)


class MergeInto(Body):
    """The label that takes over all clips."""

    model_config = example({"into": "dog"})

    into: str = Field(max_length=200)


class ThresholdValue(Body):
    """The score that a sound must reach to be reported; null goes back to the default. Or the
    false alarms a day that are acceptable, from which the score is solved."""

    model_config = example({"per_day": 1})

    value: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    per_day: float | None = Field(
        None, description="at most so many false alarms a day", allow_inf_nan=False
    )


class Threshold(BaseModel):
    label: str
    value: float
    default: float
    own: bool
    per_day: float | None = None
    expected: dict[str, Any] | None = None
