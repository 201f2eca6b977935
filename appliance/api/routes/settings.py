"""The settings: what each is, where it comes from, and reading the file again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer, page
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


@router.get("/settings", response_model=Page[SettingRow])
def get_settings(services: ServicesDep) -> Response:
    """Every setting with its value, source, default and help. They are changed in earmark.toml, or
    with `earmark settings set`."""
    return page(at_work(services))


@router.post("/settings/reload", response_model=Reloaded)
def reload_settings(services: ServicesDep, author: Author) -> Response:
    """Read earmark.toml again: which changed settings are at work now, and which need a restart.
    A file with a mistake changes nothing."""
    return answer(reload(services, author))
