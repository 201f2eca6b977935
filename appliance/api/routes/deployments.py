"""Which version listens."""

from __future__ import annotations

from concurrent import futures

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Id
from appliance.api.schemas.models import NewDeployment
from appliance.api.services import Author, ServicesDep
from appliance.gate.comparisons import Comparison
from appliance.models.building import Work
from appliance.models.deploy import Deployment

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
            "current": services.house.deployments.current(),
            "work": services.house.deployments.building.work,
            "items": services.house.deployments.history(),
        }
    )


@router.post(
    "",
    status_code=201,
    response_model=Deployment,
    responses={202: {"model": Comparison, "description": "It is being compared"}},
)
def deploy(body: NewDeployment, services: ServicesDep, author: Author) -> Response:
    """Compare a version with what listens, compile it for this device, and let it listen.

    It is built and certified in a child, which takes seconds, on small boards minutes; the topic
    `engine` of the events tells how far it is. A version that is worse (`regression`, with
    `reasons`), or whose engine does not agree with its training, is refused with its figures, and
    what listened before goes on. When it takes longer than `wait_s` the answer is 202 with the
    comparison, and the deployment follows: see `GET /comparisons/{id}`.
    """
    identifier, done = services.house.gate.deploy(
        body.version, body.precision, author, force=body.force
    )
    try:
        comparison = done.result(body.wait_s)
    except futures.TimeoutError:  # the built-in one only since Python 3.11
        return answer(services.house.gate.get(identifier), 202)
    return answer(services.house.deployments.get(comparison.deployment or 0), 201)


@router.get("/{id}/comparison", response_model=Comparison)
def deployment_comparison(id: Id, services: ServicesDep) -> Response:
    """The comparison that a deployment was let through by, with its report."""
    return answer(services.house.gate.comparisons.of_deployment(id))


@router.post("/cancel", response_model=Work)
def cancel_build(services: ServicesDep) -> Response:
    """End the engine that is being built, whoever asked for it: a deployment, a rollback, a shadow,
    an upgrade; or else the comparison that a deployment waits for. What listened before goes on.
    Answers when it has ended; 409 when there is neither."""
    return answer(services.house.gate.cancel_deployment())


@router.post("/rollback", response_model=Deployment)
def roll_back(services: ServicesDep, author: Author) -> Response:
    """Deploy again what listened before."""
    return answer(services.house.deployments.rollback(author))
