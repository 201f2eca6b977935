"""The board that the box runs on, and the owner's hooks."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Body, example
from appliance.api.services import ServicesDep
from appliance.hardware.hardware import BoardView
from appliance.hooks.happening import KINDS
from appliance.hooks.hooks import HooksState, HookView
from appliance.hooks.running import Run

router = APIRouter(tags=["board"])


class HookTest(Body):
    """Which hook to run, and for which event; its own, or a detection, when none is given."""

    model_config = example({"name": "notify.sh", "event": "detection"})

    name: str = Field(min_length=1, max_length=300)
    event: str | None = Field(None, max_length=60, description=", ".join(KINDS))


class HookTested(BaseModel):
    """The hook, and how this run went."""

    hook: HookView
    run: Run


@router.get("/board", response_model=BoardView)
def get_board(services: ServicesDep) -> Response:
    """Model, temperatures, power, GPU and memory as they are now; null is what it does not have."""
    return answer(services.house.hardware.view())


@router.get("/hooks", response_model=HooksState)
def list_hooks(services: ServicesDep) -> Response:
    """The programs that run when something happens, and how they did."""
    return answer(services.house.hooks.state())


@router.post("/hooks/test", response_model=HookTested)
def test_hook(body: HookTest, services: ServicesDep) -> Response:
    """Run one hook now, with an invented event that says `"test": true`. Answers when it ended."""
    hook, run = services.house.hooks.test(body.name, body.event)
    return answer({"hook": hook, "run": run})
