"""The OpenAPI document: what FastAPI cannot know by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from appliance.api.schemas.base import Problem

_PROBLEMS = {
    "401": "no token, or a wrong one",
    "403": "foreign Host or Origin",
    "404": "no such thing",
    "409": "right request, wrong moment",
    "413": "larger than the settings allow",
    "422": "what was given cannot be used",
}
EXAMPLES = Path(__file__).with_name("examples.json")
_BODIED = ("post", "put", "patch")


def multipart(
    fields: Mapping[str, tuple[str, Any, str]], *, several: bool = True
) -> dict[str, Any]:
    """`openapi_extra` of a route that takes files. `fields`: name -> (type, example, meaning)."""
    binary = {"type": "string", "format": "binary"}
    file = {"type": "array", "items": binary, "maxItems": 64} if several else binary
    properties: dict[str, Any] = {
        name: {"type": kind, "description": meaning} for name, (kind, _, meaning) in fields.items()
    }
    properties["file"] = file
    example: dict[str, Any] = {name: given for name, (_, given, _) in fields.items()}
    # Beside `items`, what it says of each file would be said twice.
    for name in ("label", "session", "extra"):
        if "items" in example:
            example.pop(name, None)
    example["file"] = ["(the bytes of a.wav)"] if several else "(the bytes of the file)"
    schema = {"type": "object", "required": ["file"], "properties": properties}
    content = {"multipart/form-data": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


@cache
def examples() -> dict[str, Any]:
    """An answer of each kind by the name of its schema, from a box (`scripts/api_examples.py`)."""
    found: dict[str, Any] = json.loads(EXAMPLES.read_text())
    return found


def describe(app: FastAPI) -> None:
    """Let `app.openapi()` tell of the token and of problems too."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = plain()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _add_problems(path, method, operation)
                _add_example(operation)
        return document

    app.openapi = complete  # type: ignore[method-assign]


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    if path == "/healthz":
        operation["security"] = []
    known = {"403", "422"} if path == "/healthz" else {"401", "403", "422"}
    if "{" in path:
        known.add("404")
    if method in _BODIED or method == "delete":
        known |= {"409", "413"}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(known):
        operation["responses"][status] = {"description": _PROBLEMS[status], "content": content}


def _add_example(operation: dict[str, Any]) -> None:
    """What a right request is answered with."""
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if content is None or not status.startswith("2"):
            continue
        kind = content["schema"].get("$ref", "").rpartition("/")[2]
        single = kind.removeprefix("Page_").removesuffix("_")
        if kind in examples():
            content["example"] = examples()[kind]
        elif single in examples():
            content["example"] = {"items": [examples()[single]], "next": None}
