"""Errors as RFC 9457 problems: `{type, title, status, detail, advice, reasons?}`.

`detail` says what is wrong in one line, `advice` what to do. What we did not expect is logged
with a number, and the client is told the number and nothing else.
"""

from __future__ import annotations

import errno
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from appliance.api.links import PREFIX as LINKS
from appliance.errors import (
    Conflict,
    DecodeError,
    EarmarkError,
    EngineError,
    Forbidden,
    InvalidInput,
    LowSpace,
    NotFound,
    NotReady,
    Regression,
    StoreError,
    TooLarge,
    Unavailable,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_SEND_JSON = "send a JSON object with Content-Type application/json"

# The nearest class of an error's family tree names the problem.
_TITLES: dict[type[EarmarkError], tuple[str, str]] = {
    DecodeError: ("cannot-decode", "Not usable as audio"),
    TooLarge: ("too-large", "Too large"),
    InvalidInput: ("invalid-input", "Not usable"),
    NotFound: ("not-found", "Not found"),
    NotReady: ("not-ready", "Not ready to train"),
    Regression: ("regression", "Worse than what listens"),
    Conflict: ("conflict", "Not possible now"),
    EngineError: ("engine", "The model cannot be run"),
    Forbidden: ("forbidden", "Not allowed"),
    LowSpace: ("low-space", "The disk is full"),
    StoreError: ("store", "The database cannot be used"),
    Unavailable: ("unavailable", "Not available now"),
}
_HTTP_TITLES = {
    400: ("bad-request", "Not a proper request"),
    401: ("unauthorised", "A token is needed"),
    404: ("not-found", "Not found"),
    405: ("method", "Method not allowed"),
    408: ("timeout", "Too slow"),
    413: ("too-large", "Too large"),
    429: ("too-many", "Too many attempts"),
}


def problem(
    status: int,
    detail: str,
    advice: str = "",
    *,
    name: str | None = None,
    title: str | None = None,
    reasons: Sequence[str] | None = None,
    **further: Any,
) -> dict[str, Any]:
    """The members of one problem."""
    known_name, known_title = _HTTP_TITLES.get(status, ("error", "Error"))
    body: dict[str, Any] = {
        "type": f"urn:earmark:problem:{name or known_name}",
        "title": title or known_title,
        "status": status,
        "detail": detail,
        "advice": advice,
        **further,
    }
    if reasons is not None:
        body["reasons"] = list(reasons)
    return body


def of_error(error: EarmarkError) -> dict[str, Any]:
    """The problem that says what `error` says."""
    name, title = next(
        (_TITLES[kind] for kind in type(error).__mro__ if kind in _TITLES),
        _HTTP_TITLES.get(error.status, ("internal", "Internal error")),
    )
    reasons = getattr(error, "reasons", None)
    return problem(
        error.status, error.message, error.advice, name=name, title=title, reasons=reasons
    )


def shown_path(scope: Scope) -> str:
    """The path as it was sent, still encoded: decoded, it could break the line of a log. A link
    to a clip is a secret, even where it lost a letter on its way: its ticket is left out."""
    if scope["path"].startswith(LINKS):
        return f"{LINKS}..."
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("ascii", "replace")[:200]


def of_full_disk() -> dict[str, Any]:
    return of_error(
        LowSpace(
            "the disk is full: nothing was stored",
            "free some space on the disk of the data folder; what was acknowledged is safe",
        )
    )


def respond(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body).encode()
    return Response(content, body["status"], headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Every way to fail leaves `app` as a problem."""
    app.add_exception_handler(EarmarkError, _earmark)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _operating_system)
    app.add_exception_handler(Exception, unexpected)


async def _earmark(request: Request, error: Exception) -> Response:
    assert isinstance(error, EarmarkError)
    if error.status >= 500:
        log.warning("%s %s: %s", request.method, shown_path(request.scope), error)
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = "10"
    if error.status in (408, 413):
        # Whatever still comes of that body is not worth a connection.
        headers["Connection"] = "close"
    return respond(of_error(error), headers)


async def _operating_system(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.warning("%s %s: the disk is full", request.method, shown_path(request.scope))
        return respond(of_full_disk())
    return await unexpected(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = shown_path(request.scope)
    if error.status_code == 404:
        body = problem(
            404, f"there is nothing at {path}", "see /api/v1/openapi.json for what there is"
        )
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        body = problem(405, f"{path} does not know {request.method}", f"it knows {allowed}")
    elif error.status_code == 400:
        body = problem(400, f"the body cannot be read: {error.detail}", "send it as JSON, in UTF-8")
    else:
        body = problem(error.status_code, str(error.detail))
    return respond(body, error.headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail, advice = readable(error.errors())
    return respond(
        problem(
            422,
            detail,
            advice or f"see {shown_path(request.scope)} in /api/v1/openapi.json, with examples",
            name="invalid-input",
            title="Not usable",
        )
    )


def readable(errors: Sequence[Any], place: str | None = None) -> tuple[str, str]:
    """What pydantic found wrong as one line, and advice where we have some. `place` is what the
    errors are in, when their own first part does not say it."""
    lines, advice = [], ""
    for item in errors:
        loc = (place, *item["loc"]) if place else item["loc"]
        line, hint = _readable({**item, "loc": loc})
        lines.append(line)
        advice = advice or hint
    more = f" (and {len(lines) - 5} more)" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + more, advice


def _readable(item: Mapping[str, Any]) -> tuple[str, str]:
    """One line for one thing that is wrong, and what to do about it when we know."""
    # The first part says where: body, query, path. In a JSON error the second is an offset.
    place, *rest = item["loc"]
    name = ".".join(str(part) for part in rest)
    kind, said = item["type"], str(item["msg"])
    if kind == "json_invalid":
        reason = item.get("ctx", {}).get("error", "")
        return f"the body is not JSON: {reason}".rstrip(": "), "send a JSON object"
    if kind == "missing":
        if not name:
            return (
                f"the {place} is missing",
                "send a JSON object with Content-Type application/json",
            )
        return f"{name} is missing", f"give {name}"
    if kind == "unknown_field":  # see schemas/base.py
        return said, item["ctx"]["advice"]
    if kind in ("model_attributes_type", "dict_type", "model_type"):
        return f"the {name or place} is not a JSON object", (_SEND_JSON)
    said = said.removeprefix("Value error, ").removeprefix("Input ").replace("String ", "")
    given = item.get("input")
    shown = f" (given: {str(given)[:60]!r})" if isinstance(given, str) else ""
    if isinstance(given, (int, float)):
        shown = f" (given: {str(given)[:60]})"
    return f"{name or place} {said}{shown}", _advice(kind, item.get("ctx") or {})


# What to give instead, by the beginning of pydantic's name for the error; {} is its limit.
_ADVICE = {
    "int_": "give a whole number",
    "float_": "give a number",
    "finite_number": "give a number that is finite",
    "bool_": "give true or false",
    "string_type": "give text",
    "string_unicode": "give text in proper Unicode",
    "string_too_short": "give at least {min_length} characters",
    "string_too_long": "give at most {max_length} characters",
    "list_type": "give a list",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
    "greater_than_equal": "give at least {ge}",
    "greater_than": "give more than {gt}",
    "less_than_equal": "give at most {le}",
    "less_than": "give less than {lt}",
    "literal_error": "give {expected}",
}


def _advice(kind: str, limits: Mapping[str, Any]) -> str:
    for beginning, text in _ADVICE.items():
        if kind.startswith(beginning):
            return text.format(**limits)
    return ""


async def unexpected(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(4)
    path = shown_path(request.scope)
    log.error("error %s in %s %s", number, request.method, path, exc_info=error)
    return respond(
        problem(
            500,
            "the daemon met an error that it did not expect",
            f"look for {number} in the daemon's log (journalctl -u earmark)",
            name="internal",
            title="Internal error",
            number=number,
        )
    )
