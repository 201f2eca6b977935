"""What the schemas share."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from appliance.models.version import named

T = TypeVar("T")

LARGEST_ID = 2**63 - 1
"""SQLite's integers end here."""

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=500, description="items a page")]
Cursor = Annotated[
    "str | None", Query(max_length=200, description="`next` of the page before this one")
]
VersionName = Annotated[str, Field(max_length=40), AfterValidator(named)]
"""A version as people write it, `V001`, `v1` or `1`; the routes get `V001`."""
VersionPath = Annotated[str, Path(max_length=100), AfterValidator(named)]


class Body(BaseModel):
    """A JSON body. A key that it does not know is refused, with the nearest one that it does."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            known = sorted(cls.model_fields)
            for name in given:
                if name not in known:
                    shown = str(name)[:60]
                    close = difflib.get_close_matches(shown, known, n=1, cutoff=0.5)
                    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
                    raise PydanticCustomError(
                        "unknown_field",
                        "there is no {name} here",
                        {"name": repr(shown), "advice": hint},
                    )
        return given


class Page(BaseModel, Generic[T]):
    """One page of a list; `next` is the `cursor` of the following one, null on the last."""

    items: list[T]
    next: str | None


class Problem(BaseModel):
    """RFC 9457: what is wrong and what to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:earmark:problem:not-ready",
                    "title": "Not ready to train",
                    "status": 409,
                    "detail": "not ready to train: dog: 3 of 5 clips",
                    "advice": "record or label more clips",
                    "reasons": ["dog: 3 of 5 clips"],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    advice: str
    reasons: list[str] | None = None


def example(value: dict[str, Any]) -> ConfigDict:
    """The configuration of a body with one example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [value]})
