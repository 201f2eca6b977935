"""Which version listens."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.models import NewDeployment
from appliance.api.services import Author, ServicesDep
from appliance.models.deploy import Deployment, Work

router = APIRouter(prefix="/deployments", tags=["listening"])


class DeploymentList(BaseModel):
    """The one that listens now, all there were, newest first, and the engine being built now."""

    current: Deployment | None
    work: Work | None
    items: list[Deployment]


@router.get("", response_model=DeploymentList)
def list_deployments(services: ServicesDep) -> Response:
    """The deployment that listens now, and the history, newest first, refused ones too."""
    return answer(
        {
            "current": services.deployments.current(),
            "work": services.deployments.work(),
            "items": services.deployments.history(),
        }
    )


@router.post("", status_code=201, response_model=Deployment)
def deploy(body: NewDeployment, services: ServicesDep, author: Author) -> Response:
    """Compile a version for this device, compare it with its training, and let it listen.

    It is built and certified in a child, which takes seconds, on small boards minutes; the topic
    `engine` of the events tells how far it is. An engine that does not agree is refused with its
    figures; what listened before goes on.
    """
    return answer(services.deployments.deploy(body.version, body.precision, author), 201)


@router.post("/rollback", response_model=Deployment)
def roll_back(services: ServicesDep, author: Author) -> Response:
    """Deploy again what listened before."""
    return answer(services.deployments.rollback(author))
