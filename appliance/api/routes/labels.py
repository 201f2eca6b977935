"""Labels as a whole, their thresholds, and readiness."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Page
from appliance.api.schemas.clips import (
    Changed,
    LabelName,
    MergeInto,
    Threshold,
    ThresholdValue,
)
from appliance.api.services import Author, Services, ServicesDep
from appliance.errors import InvalidInput
from appliance.library.labels import LabelCount
from appliance.library.names import BACKGROUND
from appliance.library.readiness import Readiness, readiness

router = APIRouter(tags=["labels"])


@router.get("/labels", response_model=Page[LabelCount])
def list_labels(services: ServicesDep) -> Response:
    """Every label with the number of its clips and of the sessions they come from."""
    return page(services.house.labels.all())


@router.post("/labels", status_code=201, response_model=LabelCount)
def create_label(body: LabelName, services: ServicesDep, author: Author) -> Response:
    """A label without clips."""
    return answer(services.house.labels.create(body.name, author), 201)


@router.patch("/labels/{name}", response_model=LabelCount)
def rename_label(name: str, body: LabelName, services: ServicesDep, author: Author) -> Response:
    """Another name for the label, over all its clips."""
    return answer(services.house.labels.rename(name, body.name, author))


@router.delete("/labels/{name}", response_model=Changed)
def delete_label(name: str, services: ServicesDep, author: Author) -> Response:
    """The label goes; its clips stay, without a label."""
    return answer({"changed": services.house.labels.delete(name, author)})


@router.post("/labels/{name}/merge", response_model=LabelCount)
def merge_label(name: str, body: MergeInto, services: ServicesDep, author: Author) -> Response:
    """All clips of this label get the other one; this label goes."""
    return answer(services.house.labels.merge(name, body.into, author))


@router.get("/labels/{name}/threshold", response_model=Threshold)
def get_threshold(name: str, services: ServicesDep) -> Response:
    """The score that a sound must reach before it is reported under this label."""
    return _threshold(services, services.house.labels.get(name).name)


@router.put("/labels/{name}/threshold", response_model=Threshold)
def set_threshold(
    name: str, body: ThresholdValue, services: ServicesDep, author: Author
) -> Response:
    """Give the label a threshold of its own, (null) the default again, or `per_day`: the score is
    then solved from what this box has heard, and follows what is confirmed and refuted."""
    label = services.house.labels.get(name).name
    if not body.model_fields_set:
        raise InvalidInput("neither a threshold nor a rate", "give value, or per_day")
    if label == BACKGROUND and (body.value is not None or body.per_day is not None):
        raise InvalidInput(
            f"{BACKGROUND} is never reported, so it needs no threshold",
            "set those of the labels that are reported: `earmark thresholds`",
        )
    if body.per_day is not None:
        if body.value is not None:
            raise InvalidInput("a threshold and a rate at once", "give value or per_day, not both")
        services.house.rates.ask(label, body.per_day, author)
    elif body.value is None:
        services.house.thresholds.clear(label)
    else:
        services.house.thresholds.set(label, body.value, author)
    return _threshold(services, label)


@router.get("/readiness", response_model=Readiness)
def get_readiness(services: ServicesDep) -> Response:
    """May training start, and if not, every reason why."""
    return answer(readiness(services.house.db))


def _threshold(services: Services, label: str) -> Response:
    own = services.house.thresholds.all().get(label)
    default = services.house.thresholds.default
    value = default if own is None else own
    return answer(
        {
            "label": label,
            "value": value,
            "default": default,
            "own": own is not None,
            "per_day": services.house.thresholds.rate(label),
            "expected": services.house.rates.expectation(label),
        }
    )
