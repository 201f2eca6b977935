"""The support bundle: what somebody needs who shall help from afar, and nothing private."""

from __future__ import annotations

import io
import json
import logging
import platform
import sys
import zipfile
from collections.abc import Callable
from typing import Any

from appliance import __version__, clock
from appliance.api.answers import plain
from appliance.api.condition import condition
from appliance.api.metrics import metrics
from appliance.api.reload import at_work
from appliance.api.services import Services
from appliance.care.mask import Mask, without_secrets
from appliance.logs import changes
from appliance.logtail import KEPT

log = logging.getLogger(__name__)

MOST_JOBS = 200
MOST_CHANGES = 500

README = """What `earmark support-bundle` wrote. In it: status, health, board, settings, metrics,
the end of the log and of the audit log, the newest jobs, and the card of each version.

Not in it: sounds, the token, recordings' names. Names of labels are replaced by label-1, label-2
and so on, in every text; so a word of the log that is also a label's name is replaced too. Names of
microphones, the names of those who changed something and the data folder's path are in it: read it
before you send it.
"""


def bundle(services: Services) -> bytes:
    """A zip. What cannot be gathered, on a box that is ill, is replaced by the error."""
    versions = services.house.versions.all()
    names = [label.name for label in services.house.labels.all()]
    names += [name for version in versions for name in version.classes]
    # A label that was deleted may still stand in the log.
    names += [
        row["label"] for row in services.house.db.rows("SELECT DISTINCT label FROM detections")
    ]
    mask = Mask(names, [services.token])
    parts: dict[str, Callable[[], Any]] = {
        "system.json": _system,
        "status.json": lambda: condition(services),
        "health.json": services.health.report,
        "board.json": services.house.hardware.view,
        "settings.json": lambda: without_secrets(at_work(services).rows),
        "metrics.txt": lambda: metrics(services),
        "log.txt": lambda: "\n".join(services.log.last(KEPT)) + "\n",
        "audit.json": lambda: changes(services.house.folder.audit, MOST_CHANGES),
        "jobs.json": lambda: services.house.queue.all(MOST_JOBS).items,
        "versions.json": lambda: [
            {**plain(version), "note": "", "card": services.house.versions.card(version.name)}
            for version in versions
        ],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        for name, gather in parts.items():
            archive.writestr(name, _written(mask, gather))
    return out.getvalue()


def _written(mask: Mask, gather: Callable[[], Any]) -> str:
    try:
        found = gather()
    except Exception as error:
        log.warning("a part of the support bundle is missing", exc_info=True)
        found = f"could not be gathered: {type(error).__name__}: {error}\n"
    if isinstance(found, str):
        return mask.text(found)
    return json.dumps(mask.value(plain(found)), ensure_ascii=False, indent=1) + "\n"


def _system() -> dict[str, Any]:
    return {
        "version": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "boot_id": clock.boot_id(),
        "clock_synced": clock.clock_synced(),
    }
