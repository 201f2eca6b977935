"""Trained versions: their figures, pictures, origin; out of the box and into it as one file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import IO, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from appliance.api.answers import answer, page
from appliance.api.openapi import multipart
from appliance.api.schemas.base import Page, VersionPath
from appliance.api.schemas.models import Note
from appliance.api.schemas.results import VersionCard, VersionEvaluation, VersionLineage
from appliance.api.services import Author, ServicesDep
from appliance.api.uploads import received
from appliance.errors import InvalidInput
from appliance.models.archive import export_version, import_version
from appliance.models.pictures import confusion_png, curves_png
from appliance.models.version import Version

router = APIRouter(prefix="/versions", tags=["versions"])

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "PNG"}}


@router.get("", response_model=Page[Version])
def list_versions(services: ServicesDep) -> Response:
    """Every version, newest first."""
    return page(services.house.versions.all())


@router.post(
    "/import", status_code=201, response_model=Version, openapi_extra=multipart({}, several=False)
)
async def import_a_version(request: Request, services: ServicesDep, author: Author) -> Response:
    """A version that another box exported. It gets the next number here."""
    cap = services.settings.http.max_upload_mb * 1_000_000
    async with received(request, services.house.folder, cap) as form:
        if len(form.files) != 1:
            raise InvalidInput("give exactly one file", "export one with `earmark version export`")
        version = await run_in_threadpool(
            import_version, services.house.versions, form.files[0].path
        )
    return answer(version, 201)


@router.get("/{name}", response_model=Version)
def get_version(name: VersionPath, services: ServicesDep) -> Response:
    """One version."""
    return answer(services.house.versions.get(name))


@router.patch("/{name}", response_model=Version)
def note_version(name: VersionPath, body: Note, services: ServicesDep) -> Response:
    """Replace its note."""
    return answer(services.house.versions.note(name, body.note))


@router.delete("/{name}", status_code=204)
def delete_version(name: VersionPath, services: ServicesDep) -> Response:
    """Remove its weights; its figures and its place in histories stay. Not while it is in use."""
    services.house.versions.delete(name)
    return Response(status_code=204)


@router.get("/{name}/card", response_model=VersionCard)
def version_card(name: VersionPath, services: ServicesDep) -> Response:
    """Classes, window, architecture and every training parameter."""
    return answer(services.house.versions.card(name))


@router.get("/{name}/evaluation", response_model=VersionEvaluation)
def version_evaluation(name: VersionPath, services: ServicesDep) -> Response:
    """Accuracy; precision, recall and F1 by class; confusion matrix; predictions; curves."""
    return answer(services.house.versions.evaluation(name))


@router.get("/{name}/lineage", response_model=VersionLineage)
def version_lineage(name: VersionPath, services: ServicesDep) -> Response:
    """Where it comes from, down to clips and microphones."""
    return answer(services.house.versions.lineage(name))


@router.get("/{name}/confusion.png", response_class=Response, responses=_PNG)
def version_confusion(name: VersionPath, services: ServicesDep) -> Response:
    """The confusion matrix as a picture; rows are labels, columns what was predicted."""
    evaluation = services.house.versions.evaluation(name)
    return Response(confusion_png(evaluation), media_type="image/png")


@router.get("/{name}/curves.png", response_class=Response, responses=_PNG)
def version_curves(name: VersionPath, services: ServicesDep) -> Response:
    """Loss and accuracy over the training as a picture."""
    evaluation = services.house.versions.evaluation(name)
    return Response(curves_png(evaluation), media_type="image/png")


@router.get(
    "/{name}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "one file"}},
)
def export_a_version(name: VersionPath, services: ServicesDep) -> Response:
    """The version as one file, for another box."""
    version = services.house.versions.get(name)
    path = services.house.folder.incoming / f"export-{secrets.token_hex(8)}.zip"
    try:
        export_version(services.house.versions, version.name, path)
        file = path.open("rb")
    finally:
        # From here on it lives only as long as it is sent.
        path.unlink(missing_ok=True)
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="earmark-{version.name}.zip"',
    }
    return StreamingResponse(_blocks(file), media_type="application/zip", headers=headers)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(1 << 18):
            yield block
