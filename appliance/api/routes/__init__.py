"""The routes, one file a subject."""

from __future__ import annotations

from appliance.api.routes import (
    board,
    clip_files,
    clips,
    datasets,
    deployments,
    detections,
    events,
    hear,
    history,
    inbox,
    jobs,
    labels,
    log,
    microphones,
    predict,
    privacy,
    recordings,
    status,
    uploads,
    versions,
)

ROUTERS = (
    status.router,
    log.router,
    board.router,
    uploads.router,
    clips.router,
    clip_files.router,
    hear.router,
    inbox.router,
    labels.router,
    microphones.router,
    privacy.router,
    recordings.router,
    history.router,
    datasets.router,
    jobs.router,
    versions.router,
    deployments.router,
    predict.router,
    detections.router,
    events.router,
)
