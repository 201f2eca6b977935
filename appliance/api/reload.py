"""Settings while the daemon runs: what is at work, and what can change without a restart."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from appliance import settings_reading
from appliance.api.services import Services
from appliance.errors import EarmarkError
from appliance.logs import AUDIT
from appliance.settings import Settings
from appliance.settings_file import sources
from appliance.settings_reading import describe, value_of, with_value

log = logging.getLogger(__name__)
audit = logging.getLogger(AUDIT)

AT_ONCE = (
    "backup.",
    "listen.threshold",
    "gate.",
    "history.max_mb",
    "hooks.timeout_s",
    "hooks.waiting",
    "privacy.drop_speech",
    "privacy.quiet_hours",
    "retention.",
    "space.",
    "training.",
)
"""Names, or sections with their dot: what is looked up each time that it is needed. Everything
else is built into something that runs, such as a listening socket or the size of a ring."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Reloaded:
    """now: changed settings that are at work; those of trainings and comparisons from the next one
    on. restart: changed settings that wait for a restart of the daemon."""

    now: list[str]
    restart: list[str]


def reload(services: Services, author: str) -> Reloaded:
    """Read the file and the environment again; the audit log names each setting that `author` let
    change. Raises InvalidInput, and changes nothing then."""
    with _one_at_a_time:
        read = _read(services)
        changed = [row.name for row in describe() if _differs(services.settings, read, row.name)]
        now = [name for name in changed if name.startswith(AT_ONCE)]
        made = services.settings
        for name in now:
            made = with_value(made, name, value_of(read, name))
        services.settings = services.health.settings = made
        services.house.thresholds.default = made.listen.threshold
        services.house.clips.speech.switch(made.privacy.drop_speech)
        for part in (
            services.house.backups,
            services.house.copies,
            services.house.gate,
            services.house.history,
            services.house.hooks,
            services.house.quiet_hours,
            services.house.retention,
            services.house.runner,
            services.house.space,
        ):
            part.use(made)
        for row in describe():
            if _differs(services.settings_read, read, row.name):
                audit.info("SET %s by %s: 200", row.name, author)
        services.settings_read = read
        done = Reloaded(now, [name for name in changed if name not in now])
        log.info(
            "settings read again: at work now: %s; waiting for a restart: %s",
            ", ".join(done.now) or "nothing",
            ", ".join(done.restart) or "nothing",
        )
        return done


@dataclass(frozen=True)
class AtWork:
    """Every setting with its value and source. `problem`: why earmark.toml (or the environment)
    cannot be read now, and `advice` what to do; then nobody knows the sources. Both are "" else."""

    rows: list[dict[str, Any]]
    problem: str = ""
    advice: str = ""


def at_work(services: Services) -> AtWork:
    """A file with a mistake is no reason not to tell the rest."""
    current = services.settings
    problem = advice = ""
    origins: dict[str, str] = {}
    read = current
    try:
        read, origins = _read(services), sources(services.house.folder.settings)
    except EarmarkError as error:
        log.warning("the file of the settings has a mistake: %s", error)
        problem, advice = error.message, error.advice
    except OSError as error:
        problem = f"{services.house.folder.settings} cannot be read: {error.strerror}"
        advice = "see who owns it, and `dmesg` for errors of the disk"
    rows = []
    for row in describe():
        named = row.name in services.on_command_line
        source = "command line" if named else origins.get(row.name, "unknown")
        waits = _differs(current, read, row.name)
        rows.append(row.told(value_of(current, row.name), source, waits=waits))
    return AtWork(rows, problem, advice)


def _read(services: Services) -> Settings:
    read = settings_reading.load(services.house.folder.settings)
    for name in services.on_command_line:
        read = with_value(read, name, value_of(services.settings, name))
    return read


def _differs(current: Settings, read: Settings, name: str) -> bool:
    return bool(value_of(current, name) != value_of(read, name))
