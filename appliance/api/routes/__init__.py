"""The routes, one file a subject."""

from __future__ import annotations

from appliance.api.routes import (
    clip_files,
    clips,
    datasets,
    deployments,
    detections,
    events,
    history,
    inbox,
    jobs,
    labels,
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
    uploads.router,
    clips.router,
    clip_files.router,
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
