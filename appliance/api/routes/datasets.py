"""Dataset versions: what a training learned from, unchangeable."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Page
from appliance.api.schemas.results import DatasetManifest
from appliance.api.services import ServicesDep
from appliance.library.datasets import DatasetVersion

router = APIRouter(prefix="/dataset-versions", tags=["training"])


@router.get("", response_model=Page[DatasetVersion])
def list_dataset_versions(services: ServicesDep) -> Response:
    """Every dataset version. One is published when a job is submitted."""
    return page(services.house.datasets.all())


@router.get("/{name}", response_model=DatasetManifest)
def get_dataset_version(name: str, services: ServicesDep) -> Response:
    """The whole manifest: clips, labels, folds and protocol."""
    return answer(services.house.datasets.manifest(name))
