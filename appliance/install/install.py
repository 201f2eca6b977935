"""`earmark install`: from a program to a service that starts at boot; again for an upgrade.

A release is built beside the one that runs, which goes on listening meanwhile. Then the service
stops, its database is copied and the copy checked, one link changes, and the service starts. Is it
not healthy in time, the link, the units and the database go back to what they were.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from appliance.install import checks, database, health, release
from appliance.install.places import SERVICE, UNITS, Places, shipped
from appliance.install.release import SEE_SYSTEM, Release
from appliance.install.steps import (
    Step,
    Tell,
    carry_out,
    enable_step,
    file_steps,
    folders_step,
    link,
    reload_step,
    user_step,
    write_file,
)
from appliance.install.system import InstallFailed, System

SYSTEM_FILES = ("earmark.sysusers", "earmark.tmpfiles", "earmark.udev", "earmark.polkit")


@dataclass(frozen=True)
class Wishes:
    """What the person asked for. `source`: a wheel, a checkout or a requirement for pip; empty for
    what runs now. `python`: empty for the one that suits this board. `system_packages`: the
    service sees the packages of that Python, too, as it always does on a Jetson. `rebuild`: with
    what pip finds today, though the same release is there."""

    source: str = ""
    python: str = ""
    system_packages: bool = False
    rebuild: bool = False
    start: bool = True
    dry_run: bool = False
    patience_s: float = health.PATIENCE_S
    steady_s: float = health.STEADY_S


def install(places: Places, system: System, wishes: Wishes, tell: Tell) -> None:
    """Install or upgrade. Doing it again changes nothing. Raises InstallFailed; what ran before
    runs then, too."""
    python, options = release.base_python()
    python = wishes.python or python
    if wishes.system_packages and SEE_SYSTEM not in options:
        options = [*options, SEE_SYSTEM]
    source = wishes.source or release.own_source()
    before = release.current(places)
    findings = checks.look(places, system, python, builds=before is None or wishes.rebuild)
    for finding in findings:
        _tell_finding(finding, tell)
    if wishes.dry_run:
        _show(places, system, source, python, options, tell)
        return
    if stopping := checks.stopping(findings):
        raise InstallFailed(
            "; ".join(f"{finding.name}: {finding.says}" for finding in stopping),
            stopping[0].advice,
        )
    steps = _system_steps(places, system)
    carry_out(steps, tell, dry_run=False)
    same = None if wishes.rebuild else before
    new = _new_release(places, system, source, python, options, same, tell)
    _tell_finding(checks.torch(system, places, str(new.python)), tell)
    unit_steps = [*file_steps(places, shipped(), UNITS), reload_step(system), enable_step(system)]
    if before is not None and new.folder == before.folder and _units_are(places, shipped()):
        tell(f"Earmark {new.version} is installed already")
        carry_out(unit_steps, tell, dry_run=False)
        if wishes.start:
            _start(places, system, new, wishes, tell)
        return
    _switch(places, system, new, before, wishes, tell)
    release.prune(places, new, before)


def _tell_finding(finding: checks.Finding, tell: Tell) -> None:
    mark = "ok" if finding.good else ("STOP" if finding.stops else "note")
    tell(f"{mark:>5}  {finding.name}: {finding.says}")
    if not finding.good and finding.advice:
        tell(f"       {finding.advice}")


def _system_steps(places: Places, system: System) -> list[Step]:
    return [
        *file_steps(places, shipped(), SYSTEM_FILES),
        user_step(places, system),
        folders_step(places, system),
    ]


def _show(
    places: Places, system: System, source: str, python: str, options: list[str], tell: Tell
) -> None:
    """A dry run: every step, and whether it would do anything."""
    before = release.current(places)
    steps = [
        *_system_steps(places, system),
        Step(
            f"a release below {places.releases}, from {source}",
            [
                f"{python} -m venv {' '.join(options)} {places.releases}/VERSION-N",
                f"{places.releases}/VERSION-N/bin/python -m pip install {source}",
            ],
            lambda: False,
            lambda: None,
        ),
        *file_steps(places, shipped(), UNITS),
        reload_step(system),
        enable_step(system),
        Step(
            "change over" if before else "start",
            [
                *([f"systemctl stop {SERVICE}", "copy and check the database"] if before else []),
                f"{places.current} -> {places.releases}/VERSION-N",
                f"systemctl start {SERVICE}",
                "wait until it is healthy" + (", else go back to before" if before else ""),
            ],
            lambda: False,
            lambda: None,
        ),
    ]
    carry_out(steps, tell, dry_run=True)
    tell("nothing was changed: this was a dry run")


def _new_release(
    places: Places,
    system: System,
    source: str,
    python: str,
    options: list[str],
    same: Release | None,
    tell: Tell,
) -> Release:
    """same: the one that is there, if it will do when it was made from the same."""
    with tempfile.TemporaryDirectory() as name:
        tell(f"packing {source}")
        wheel = release.build_wheel(system, source, Path(name))
        version, key = release.describe(wheel)
        if same is not None and same.key == key:
            return same
        room = checks.room(places, builds=True)
        if not room.good:
            raise InstallFailed(room.says, room.advice)
        tell(f"building release {version}: PyTorch is large, this takes minutes on a fast line")
        return release.build(places, system, wheel, python, options)


def _switch(
    places: Places,
    system: System,
    new: Release,
    before: Release | None,
    wishes: Wishes,
    tell: Tell,
) -> None:
    copy = None
    kept = _units_now(places)
    if before is not None:
        tell(f"changing over from {before.version} to {new.version}")
        system.run("systemctl", "stop", SERVICE)
        try:
            copy = database.copy_before(places, before.version)
        except InstallFailed:
            system.run("systemctl", "start", SERVICE)
            raise
    try:
        link(new.folder, places.current)
        link(places.current / "bin/earmark", places.command)
        carry_out(
            [*file_steps(places, shipped(), UNITS), reload_step(system), enable_step(system)],
            tell,
            dry_run=False,
        )
        if wishes.start:
            _start(places, system, new, wishes, tell)
    except InstallFailed as failure:
        if before is None:
            raise
        _go_back(places, system, before, copy, kept, wishes, tell)
        raise InstallFailed(
            f"release {new.version} was taken back, {before.version} runs again: {failure}",
            "`journalctl -u earmark` shows what the new release said",
        ) from None


def _start(places: Places, system: System, new: Release, wishes: Wishes, tell: Tell) -> None:
    tell(f"starting {SERVICE}")
    system.run("systemctl", "start", "earmark-power.path", "earmark-backup.timer")
    system.run("systemctl", "start", SERVICE, timeout_s=wishes.patience_s + 60)
    wrong = health.wait_until_healthy(
        places.socket, new.version, wishes.patience_s, wishes.steady_s, tell
    )
    if wrong:
        raise InstallFailed(
            f"the service is not healthy: {wrong}", "`journalctl -u earmark` shows what it said"
        )
    tell(
        f"Earmark {new.version} runs; members of the group earmark use it: usermod -aG earmark YOU"
    )


def _go_back(
    places: Places,
    system: System,
    before: Release,
    copy: Path | None,
    units: dict[str, bytes],
    wishes: Wishes,
    tell: Tell,
) -> None:
    tell(f"going back to {before.version}")
    # A unit that never came up may refuse to stop in words; what counts is that it is down.
    system.asks("systemctl", "stop", SERVICE)
    link(before.folder, places.current)
    for name, content in units.items():
        write_file(places.units / name, content)
    system.run("systemctl", "daemon-reload")
    if copy is not None:
        aside = database.put_back(places, copy)
        tell(f"the database is the one from before; what the new release made of it is in {aside}")
    system.asks("systemctl", "reset-failed", SERVICE)
    system.run("systemctl", "start", SERVICE, timeout_s=wishes.patience_s + 60)
    wrong = health.wait_until_healthy(
        places.socket, before.version, wishes.patience_s, wishes.steady_s, tell
    )
    if wrong:
        raise InstallFailed(
            f"{before.version} is in place again, but it is not healthy either: {wrong}",
            "`journalctl -u earmark` shows what it said",
        )


def _units_now(places: Places) -> dict[str, bytes]:
    return {
        name: (places.units / name).read_bytes()
        for name in UNITS
        if (places.units / name).is_file()
    }


def _units_are(places: Places, source: Path) -> bool:
    return _units_now(places) == {name: (source / name).read_bytes() for name in UNITS}
