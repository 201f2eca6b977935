"""The box's condition, gathered once for the status page and for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from appliance import __version__, clock
from appliance.api.services import Services

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def condition(services: Services) -> dict[str, Any]:
    """What `GET /status` answers."""
    space = services.house.space.look()
    return {
        "version": __version__,
        "uptime_s": clock.seconds() - services.started,
        "boot_id": clock.boot_id(),
        "clock_synced": clock.clock_synced(),
        "data_folder": services.house.folder.root,
        "disk": {"free": space.free, "total": space.total},
        "space": space,
        "notices": services.house.notices.unread(),
        "memory_mb": memory_mb(),
        "microphones": services.house.microphones.all(),
        "privacy": services.house.privacy.state(),
        "speech": services.house.clips.speech.state(),
        "deployment": services.house.deployments.current(),
        "engine_work": services.house.deployments.building.work,
        "job": services.house.queue.current(),
        "queue_length": services.house.queue.waiting(),
        "history": services.house.history.status(),
        "clips": services.house.clips.count(),
        "labels": len(services.house.labels.all()),
        "pid": os.getpid(),
    }


def memory_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE_BYTES / 1e6
