"""The settings: what each is, where it comes from, and reading the file again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.reload import Reloaded, at_work, reload
from appliance.api.schemas.base import Page
from appliance.api.services import Author, ServicesDep

router = APIRouter(tags=["status"])


class SettingRow(BaseModel):
    """One setting: `value` is at work; `source` is default, file, environment or command line;
    `waits`: another value, in the file by now, waits to be read again or for a restart."""

    name: str
    value: Any
    source: str
    waits: bool
    default: Any
    help: str
    low: float | None
    high: float | None
    environment: str


class SettingList(Page[SettingRow]):
    """`problem`: why the file or the environment cannot be read now, so that no source is known,
    and `advice` what to do; both empty when they can."""

    problem: str
    advice: str


@router.get("/settings", response_model=SettingList)
def get_settings(services: ServicesDep) -> Response:
    """Every setting with its value, source, default and help. They are changed in earmark.toml, or
    with `earmark settings set`."""
    found = at_work(services)
    told = {"problem": found.problem, "advice": found.advice}
    return answer({"items": found.rows, "next": None, **told})


@router.post("/settings/reload", response_model=Reloaded)
def reload_settings(services: ServicesDep, author: Author) -> Response:
    """Read earmark.toml again: which changed settings are at work now, and which need a restart.
    A file with a mistake changes nothing."""
    return answer(reload(services, author))
