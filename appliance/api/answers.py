"""Answers: the dataclasses of the services as JSON, with their own field names.

Routes return their answers through `answer()`, which writes them directly; the schemas in the
OpenAPI document describe the same objects, and the tests hold one against the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response


def plain(value: Any) -> Any:
    """`value` as JSON knows it. A number that is not finite becomes null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, BaseModel):
        return plain(value.model_dump(exclude_none=True))
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    raise TypeError(f"cannot be told as JSON: {type(value).__name__}")


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as the JSON body of a response."""
    body = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers=headers, media_type="application/json")


def page(items: Any, following: str | None = None) -> Response:
    """A list: `{"items": [...], "next": cursor or null}`."""
    return answer({"items": items, "next": following})
