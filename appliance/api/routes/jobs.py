"""The queue of trainings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Cursor, Id, Limit, Page
from appliance.api.schemas.models import JobQuery, NewJob
from appliance.api.schemas.results import JobMove, JobPoint
from appliance.api.services import Author, ServicesDep
from appliance.jobs.job import Job
from appliance.jobs.specification import Specification

COMPARE_S = 20.0
router = APIRouter(prefix="/jobs", tags=["training"])


@router.get("/specification", response_model=Specification)
def job_specification(query: Annotated[JobQuery, Query()], services: ServicesDep) -> Response:
    """What a training would be, before it is submitted: readiness with every reason, limit,
    planned length, position in the queue and expected start."""
    return answer(
        services.house.queue.specification(
            query.max_minutes,
            query.flavor,
            dataset_version=query.dataset_version,
            from_version=query.from_version,
        )
    )


@router.get("", response_model=Page[Job])
def list_jobs(services: ServicesDep, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Jobs, newest first."""
    found = services.house.queue.all(limit, cursor)
    return page(found.items, found.next_cursor)


@router.post("", status_code=201, response_model=Job)
def submit_job(body: NewJob, services: ServicesDep, author: Author) -> Response:
    """Publish a dataset version and queue its training, both or neither."""
    # So that near copies among clips that have just come stand on one side of the split. Readiness
    # says how many are left where this does not suffice.
    services.house.fingerprints.finish(COMPARE_S)
    job = services.house.queue.submit(
        max_minutes=body.max_minutes,
        flavor=body.flavor,
        dataset_version=body.dataset_version,
        from_version=body.from_version,
        idempotency_key=body.idempotency_key,
        author=author,
    )
    return answer(job, 201)


@router.get("/{id}", response_model=Job)
def get_job(id: Id, services: ServicesDep) -> Response:
    """One job, with its progress and time left."""
    return answer(services.house.queue.get(id))


@router.post("/{id}/cancel", response_model=Job)
def cancel_job(id: Id, services: ServicesDep, author: Author) -> Response:
    """Cancel a job that waits or trains. The best model so far is kept. A job that has ended
    stays as it is."""
    return answer(services.house.queue.cancel(id, author))


@router.get("/{id}/progress", response_model=Page[JobPoint])
def job_progress(id: Id, services: ServicesDep) -> Response:
    """What the training has said so far, point by point: step, loss, accuracy, ..."""
    return page(services.house.queue.progress(id))


@router.get("/{id}/events", response_model=Page[JobMove])
def job_events(id: Id, services: ServicesDep) -> Response:
    """Each move of the job, oldest first: at, state, reason, detail."""
    return page(services.house.queue.events(id))


@router.get(
    "/{id}/log",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "text"}},
)
def job_log(id: Id, services: ServicesDep) -> Response:
    """What the training child wrote, as text; the last of it when it is long."""
    return PlainTextResponse(services.house.queue.log(id))
