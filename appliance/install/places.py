"""Where an installed Earmark lies on the system.

/opt/earmark/releases/0.1.0-1/    a virtual environment a release; the newest two are kept
/opt/earmark/current              a link to the one that runs
/usr/local/bin/earmark            the command, for everybody
/var/lib/earmark                  the data folder of the service
/run/earmark/api.sock             its socket, for members of the group `earmark`
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

import appliance
from appliance.errors import Unavailable

USER = "earmark"
SERVICE = "earmark.service"
STARTED = (SERVICE, "earmark-power.path", "earmark-backup.timer")
"""The units that are enabled; the others are started by these."""

UNITS = (
    "earmark.service",
    "earmark-power.path",
    "earmark-power.service",
    "earmark-backup.service",
    "earmark-backup.timer",
)


@dataclass(frozen=True)
class Places:
    """Every path of an installation below `root`, which is `/` but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        return self.root / "opt/earmark"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def current(self) -> Path:
        return self.home / "current"

    @property
    def command(self) -> Path:
        return self.root / "usr/local/bin/earmark"

    @property
    def data(self) -> Path:
        return self.root / "var/lib/earmark"

    @property
    def socket(self) -> Path:
        return self.root / "run/earmark/api.sock"

    @property
    def units(self) -> Path:
        return self.root / "etc/systemd/system"

    def files(self) -> dict[str, Path]:
        """Shipped file -> where it goes."""
        etc = self.root / "etc"
        return {
            **{name: self.units / name for name in UNITS},
            "earmark.sysusers": etc / "sysusers.d/earmark.conf",
            "earmark.tmpfiles": etc / "tmpfiles.d/earmark.conf",
            "earmark.udev": etc / "udev/rules.d/70-earmark.rules",
            "earmark.polkit": etc / "polkit-1/rules.d/50-earmark.rules",
        }


def shipped() -> Path:
    """The folder of the unit files: installed with the wheel, or the checkout's own."""
    checkout = Path(appliance.__file__).parent.parent / "systemd"
    installed = Path(sysconfig.get_path("data")) / "share/earmark/systemd"
    for folder in (checkout, installed):
        if (folder / SERVICE).is_file():
            return folder
    raise Unavailable(
        f"the unit files are missing: looked in {installed}", "install Earmark's package again"
    )
