"""What does the deployment say about a file?"""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import Any

import anyio
from fastapi import APIRouter, Request
from starlette.responses import Response

from appliance.api import problems
from appliance.api.answers import answer, plain
from appliance.api.multipart import Form, ReceivedFile
from appliance.api.openapi import multipart
from appliance.api.schemas.models import PredictAnswer
from appliance.api.services import Services, ServicesDep
from appliance.api.uploads import received
from appliance.errors import Conflict, EarmarkError, InvalidInput
from appliance.models.engine import Engine
from appliance.models.predict import predict

router = APIRouter(tags=["listening"])


class _Predictions:
    """One request's files on their way to answers, all from the same engine."""

    def __init__(self, services: Services) -> None:
        live = services.house.deployments.live()
        if live is None:
            raise Conflict(
                "no version is deployed, so none can be asked",
                services.house.versions.how_to_begin(),
            )
        deployment, self._engine = live
        self.version: str = deployment.version
        self._services = services
        self._answers: list[Future[dict[str, Any]]] = []

    def on_file(self, file: ReceivedFile, form: Form) -> None:
        self._answers.append(
            self._services.decoding.submit(_answer_for, self._services, self._engine, file)
        )

    def end(self) -> None:
        for future in self._answers:
            future.cancel()
        wait(self._answers)

    def finish(self) -> list[dict[str, Any]]:
        if not self._answers:
            raise InvalidInput(
                "there is no file in the request", "send each file as a part called `file`"
            )
        return [future.result() for future in self._answers]


@router.post("/predict", response_model=PredictAnswer, openapi_extra=multipart({}))
async def predict_files(request: Request, services: ServicesDep) -> Response:
    """The deployment's answer for each of up to 64 files: its label, every class's score, and
    the top 5 of each window. A bad file stops none of the others."""
    work = _Predictions(services)
    cap = services.settings.http.max_upload_mb * 1_000_000
    async with received(request, services.house.folder, cap, work):
        results = await anyio.to_thread.run_sync(work.finish, limiter=services.finishing)
    if len(results) == 1 and results[0].get("error"):
        return problems.respond(results[0]["error"])
    return answer({"results": results, "version": work.version})


def _answer_for(services: Services, engine: Engine, file: ReceivedFile) -> dict[str, Any]:
    try:
        samples = services.house.decoder.to_pcm(file.path, engine.sample_rate)
        told: dict[str, Any] = plain(predict(engine, samples, engine.sample_rate))
        return {"filename": file.filename, **told}
    except EarmarkError as error:
        return {"filename": file.filename, "error": problems.of_error(error)}
