"""`earmark install` on a copy of this system: installed, upgraded, taken back, removed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.copy_of_this_system import CHECKOUT, Copy, copy_of_this_system, unavailable

pytestmark = [
    pytest.mark.slow(100),
    pytest.mark.timeout(1500),
    pytest.mark.skipif(unavailable() != "", reason=unavailable() or "-"),
]
PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")
BROKEN = """

def m999_of_a_release_that_fails(db: SqliteUtils) -> None:
    db.conn.execute("CREATE TABLE of_the_new_release (id INTEGER)")


MIGRATIONS = (*MIGRATIONS, m999_of_a_release_that_fails)
"""


def wheel_of(folder: Path, version: str, *, broken: bool = False) -> Path:
    """This checkout as a wheel of that version. A broken one migrates and then never gets up."""
    source = folder / f"source-{version}"
    source.mkdir()
    for name in ("appliance", "tui", "firmware_hooks", "systemd"):
        shutil.copytree(
            CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    _replace(source / "pyproject.toml", 'version = "0.1.0"', f'version = "{version}"')
    _replace(source / "appliance/__init__.py", '"0.1.0"', f'"{version}"')
    if broken:
        steps = source / "appliance/store/migrations.py"
        steps.write_text(steps.read_text() + BROKEN)
        _replace(
            source / "appliance/daemon.py",
            "        house = House(",
            '        raise RuntimeError("does not get up")\n        house = House(',
        )
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(source)], check=True)
    return folder / f"earmark-{version}-py3-none-any.whl"


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, file
    file.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return {
        version: wheel_of(folder, version, broken=version == "0.3.0")
        for version in ("0.1.0", "0.2.0", "0.3.0")
    }


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with copy_of_this_system(tmp_path_factory.mktemp("system")) as copy:
        yield copy


def test_the_life_of_a_service(system: Copy, wheels: dict[str, Path]) -> None:
    program = [PYTHON, "-m", "venv", "--system-site-packages", "/opt/first"]
    system.run(*program)
    # Whatever listens on the usual port of this machine is none of the copy's business.
    system.write("/etc/earmark/environment", b"EARMARK_HTTP_PORT=0\n")
    for version, wheel in wheels.items():
        system.write(f"/srv/{version}/{wheel.name}", wheel.read_bytes())
    first = f"/srv/0.1.0/{wheels['0.1.0'].name}"
    system.run("/opt/first/bin/python", "-m", "pip", "install", "-q", "--no-deps", first)

    def install(version: str, *more: str) -> subprocess.CompletedProcess[str]:
        wheel = f"/srv/{version}/{wheels[version].name}"
        given = ["--python", PYTHON, "--system-packages", "--from", wheel, *more]
        return system.run("/opt/first/bin/earmark", "install", *given, check=False)

    # Shown first: nothing changes, and each step is there.
    shown = install("0.1.0", "--dry-run")
    assert shown.returncode == 0, shown.stdout
    for part in ("systemd-sysusers", "pip install", "systemctl enable", "nothing was changed"):
        assert part in shown.stdout
    assert system.run("test", "-e", "/opt/earmark", check=False).returncode != 0

    # Installed: not root, its socket open to its group alone, the unit files from the wheel.
    done = install("0.1.0")
    assert done.returncode == 0, (
        done.stdout + system.run("sh", "-c", "cat /run/fake-systemd/*.log", check=False).stdout
    )
    status = json.loads(system.run("earmark", "status", "--json").stdout)
    assert status["version"] == "0.1.0"
    assert status["data_folder"] == "/var/lib/earmark"
    owner = system.run("stat", "-c", "%U %G %a", "/run/earmark/api.sock").stdout.split()
    assert owner == ["earmark", "earmark", "660"]
    uid = system.run("stat", "-c", "%U", f"/proc/{status['pid']}").stdout.strip()
    assert uid == "earmark"
    assert "earmark.service" in system.read("/run/fake-systemd/enabled")

    # Again: nothing to do.
    again = install("0.1.0")
    assert again.returncode == 0, again.stdout
    assert "installed already" in again.stdout
    assert json.loads(system.run("earmark", "status", "--json").stdout)["pid"] == status["pid"]
    system.run("earmark", "labels", "create", "kettle")

    # Upgraded: the old environment and a copy of the database are kept.
    done = install("0.2.0")
    assert done.returncode == 0, done.stdout
    assert json.loads(system.run("earmark", "status", "--json").stdout)["version"] == "0.2.0"
    assert "kettle" in system.run("earmark", "labels").stdout
    assert len(system.run("ls", "/opt/earmark/releases").stdout.split()) == 2
    assert "before-upgrade-from-0.1.0" in system.run("ls", "/var/lib/earmark/backups").stdout

    # One that does not get up: everything is as before, the database too.
    failed = install("0.3.0", "--wait", "15")
    assert failed.returncode == 1
    assert "0.3.0 was taken back, 0.2.0 runs again" in failed.stdout
    assert json.loads(system.run("earmark", "status", "--json").stdout)["version"] == "0.2.0"
    assert "kettle" in system.run("earmark", "labels").stdout
    tables = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute("
    tables += "\"SELECT name FROM sqlite_master WHERE type = 'table'\"))"
    look = (PYTHON, "-c", tables)
    assert "of_the_new_release" not in system.run(*look, "/var/lib/earmark/earmark.db").stdout
    aside = system.run("sh", "-c", "ls -d /var/lib/earmark/quarantine/failed-upgrade-*").stdout
    assert "of_the_new_release" in system.run(*look, f"{aside.strip()}/earmark.db").stdout

    # Removed: the service goes, the sounds stay; then they go, too.
    pid = json.loads(system.run("earmark", "status", "--json").stdout)["pid"]
    gone = system.run("/opt/first/bin/earmark", "uninstall", "--yes")
    assert "still in /var/lib/earmark" in gone.stdout
    assert system.run("test", "-e", f"/proc/{pid}", check=False).returncode != 0
    for path in ("/opt/earmark", "/etc/systemd/system/earmark.service", "/usr/local/bin/earmark"):
        assert system.run("test", "-e", path, check=False).returncode != 0, path
    system.run("test", "-f", "/var/lib/earmark/earmark.db")
    system.run("/opt/first/bin/earmark", "uninstall", "--yes", "--remove-data")
    assert system.run("test", "-e", "/var/lib/earmark", check=False).returncode != 0
    assert system.run("getent", "passwd", "earmark", check=False).returncode != 0


def test_the_units_are_accepted_and_hardened(system: Copy, tmp_path: Path) -> None:
    """By systemd's own words; a unit without hardening scores 9.6."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    system.run("sh", "-c", "mkdir -p /opt/earmark/current/bin")
    for name in ("earmark", "python"):
        system.write(f"/opt/earmark/current/bin/{name}", b"#!/bin/sh\n", "755")
    units = " ".join(str(CHECKOUT / "systemd" / f"earmark{n}") for n in _unit_names())
    verdict = system.run("sh", "-c", f"systemd-analyze verify {units}", check=False)
    assert verdict.returncode == 0, verdict.stdout
    assert "earmark" not in verdict.stdout, verdict.stdout
    for name in ("earmark", "earmark-power", "earmark-backup"):
        unit = str(CHECKOUT / "systemd" / f"{name}.service")
        words = ["systemd-analyze", "security", "--offline=true", "--threshold=30", unit]
        scored = system.run(*words, check=False)
        assert scored.returncode == 0, scored.stdout[-300:]
    bare = b"[Service]\nExecStart=/bin/true\n"
    system.write("/srv/bare.service", bare)
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=30", "/srv/bare.service"]
    assert system.run(*words, check=False).returncode != 0


def _unit_names() -> list[str]:
    return [".service", "-power.path", "-power.service", "-backup.service", "-backup.timer"]
