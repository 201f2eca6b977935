"""A release on the box: a virtual environment of its own, built beside the one that runs."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from appliance.install.places import Places
from appliance.install.steps import write_file
from appliance.install.system import InstallFailed, System

KEPT = 2
"""Releases on disk: the one that runs, and the one before it, to go back to."""

JETSON = Path("/etc/nv_tegra_release")
SYSTEM_PYTHON = "/usr/bin/python3"
SEE_SYSTEM = "--system-site-packages"
_NOTE = "earmark-release.json"
_HOUR = 3600.0


@dataclass(frozen=True)
class Release:
    """`key` says what it was made from: the same key needs no second build."""

    folder: Path
    version: str
    key: str

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"


def own_source() -> str:
    """What pip must be given to install what runs now: the checkout or the wheel it came from.

    Raises InstallFailed when that is not known: a guess by name alone could fetch, as root, what
    somebody else has published under it.
    """
    text = distribution("earmark").read_text("direct_url.json")
    if text:
        url = str(json.loads(text).get("url", ""))
        if url.startswith("file:"):
            return unquote(urlsplit(url).path)
    raise InstallFailed(
        "it is not known where this Earmark was installed from",
        "name a wheel or a checkout with --from",
    )


def build_wheel(system: System, source: str, folder: Path) -> Path:
    """The wheel of `source` (a wheel, a checkout, a name with a version) in `folder`."""
    if source.endswith(".whl"):
        given = Path(source)
        if not given.is_file():
            raise InstallFailed(f"there is no file {source}", "give the path of a wheel")
        return given
    system.run(
        sys.executable,
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), source),
        timeout_s=_HOUR,
    )
    found = list(folder.glob("earmark-*.whl"))
    if len(found) != 1:
        raise InstallFailed(f"{source} is not Earmark", "give a wheel, a checkout or a version")
    return found[0]


def describe(wheel: Path) -> tuple[str, str]:
    """(version, key) of a wheel; the key is of its content, whenever it was packed."""
    named = re.fullmatch(r"earmark-([^-]+)-.*\.whl", wheel.name)
    if named is None:
        raise InstallFailed(f"{wheel.name} is not a wheel of Earmark", "give another one")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as packed:
            for item in sorted(packed.infolist(), key=lambda entry: entry.filename):
                digest.update(f"{item.filename}\0{item.CRC}\0{item.file_size}\n".encode())
    except (OSError, zipfile.BadZipFile) as error:
        raise InstallFailed(f"{wheel} cannot be read: {error}", "fetch it again") from None
    return named[1], digest.hexdigest()


def base_python() -> tuple[str, list[str]]:
    """The Python to build with, and options of its venv.

    A Jetson's TensorRT is a Debian package, which only the system's own Python can see; and the
    service cannot see a Python in somebody's home.
    """
    if JETSON.exists():
        return SYSTEM_PYTHON, [SEE_SYSTEM]
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    at_home = any(own.is_relative_to(home) for home in ("/home", "/root", "/run/user"))
    return SYSTEM_PYTHON if at_home else str(own), []


def current(places: Places) -> Release | None:
    """The release that runs, None before the first installation."""
    return read(places.current.resolve()) if places.current.is_symlink() else None


def read(folder: Path) -> Release | None:
    """A release that was completely built, else None."""
    try:
        note = json.loads((folder / _NOTE).read_text())
        return Release(folder, str(note["version"]), str(note["key"]))
    except (OSError, ValueError, KeyError):
        return None


def build(places: Places, system: System, wheel: Path, python: str, options: list[str]) -> Release:
    """Make the environment of `wheel`. It counts only once it was seen to work; what an
    interrupted build left is removed."""
    version, key = describe(wheel)
    number = 1 + max((_number(folder) for folder in _folders(places)), default=0)
    folder = places.releases / f"{version}-{number}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        system.run(python, "-m", "venv", *options, str(folder))
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        system.run(*pip, "install", "--quiet", "--no-input", str(wheel), timeout_s=2 * _HOUR)
        # One that the system's own Python has, seen through `options`, would have been enough.
        own = ("--no-deps", "--force-reinstall", str(wheel))
        system.run(*pip, "install", "--quiet", "--no-input", *own)
        said = system.run(str(folder / "bin/earmark"), "--version")
        if version not in said:
            raise InstallFailed(f"the new release says {said.strip()!r}, not {version}")
        system.run(str(folder / "bin/python"), "-c", "import appliance.daemon, pyaudio, soxr")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    note = {"version": version, "key": key, "python": python}
    write_file(folder / _NOTE, json.dumps(note).encode())
    return Release(folder, version, key)


def prune(places: Places, keep: Release, before: Release | None) -> None:
    """Remove all releases but these two, and what interrupted builds left."""
    kept = {keep.folder} | ({before.folder} if before else set())
    for folder in _folders(places):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(places: Places) -> list[Path]:
    return [path for path in places.releases.glob("*-*") if path.is_dir()]


def _number(folder: Path) -> int:
    tail = folder.name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0
