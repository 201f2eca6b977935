"""What computer this is: model, Jetson Linux release, and what of a board's hardware it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from firmware_hooks.files import numbered, read_int, read_text
from firmware_hooks.power_rails import read_rails
from firmware_hooks.thermal import read_zones

# "# R36 (release), REVISION: 4.3, GCID: ..." in /etc/nv_tegra_release
_RELEASE = re.compile(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([0-9.]+)")
# Jetson Linux' main number -> JetPack's.
_JETPACK = {32: "4", 35: "5", 36: "6", 38: "7", 39: "7"}
# Names of the GPU's node in the device tree, from Xavier to Orin. Thor's has no load file.
_GPUS = ("gpu", "ga10b", "gv11b", "gp10b", "gb10b")


@dataclass(frozen=True)
class Board:
    """model: as the device tree or the PC's firmware calls it. soc: tegra234 for Orin, tegra264
    for Thor, "" elsewhere. l4t: release of Jetson Linux ("36.4.3"), None where there is none.
    capabilities: which of "gpio", "leds", "power modes", "power rails", "temperatures",
    "gpu load", "nvidia gpu" it has."""

    model: str
    soc: str
    l4t: str | None
    jetpack: str | None
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class Memory:
    """In bytes. On a Jetson the GPU's memory is this too."""

    total: int
    available: int


def read_board(root: Path = Path("/")) -> Board:
    """What stands below `root`. Never fails: an unknown computer has a model of "unknown"."""
    release = _RELEASE.search(read_text(root / "etc/nv_tegra_release") or "")
    compatible = (read_text(root / "proc/device-tree/compatible") or "").split("\0")
    soc = next(
        (name.partition(",")[2] for name in compatible if name.startswith("nvidia,tegra")), ""
    )
    return Board(
        model=_model(root),
        soc=soc,
        l4t=f"{release[1]}.{release[2]}" if release else None,
        jetpack=_JETPACK.get(int(release[1])) if release else None,
        capabilities=tuple(_capabilities(root)),
    )


def gpu_load(root: Path = Path("/")) -> float | None:
    """Share of the GPU's time in use, 0 to 1; None where the kernel does not tell (any PC, and
    Thor, whose devfreq node has no `load`)."""
    for node in _entries(root / "sys/class/devfreq"):
        name = read_text(node / "device/of_node/name")
        if name in _GPUS and (permille := read_int(node / "device/load")) is not None:
            return min(1.0, max(0.0, permille / 1000))
    return None


def read_memory(root: Path = Path("/")) -> Memory | None:
    """From /proc/meminfo; MemAvailable is what can be had without swapping."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", read_text(root / "proc/meminfo") or "", re.M))
    if "MemTotal" not in found or "MemAvailable" not in found:
        return None
    return Memory(1024 * int(found["MemTotal"]), 1024 * int(found["MemAvailable"]))


def _model(root: Path) -> str:
    if model := read_text(root / "proc/device-tree/model"):
        return model
    words = [read_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")]
    return " ".join(word for word in words if word) or "unknown"


def _capabilities(root: Path) -> list[str]:
    found = {
        "gpio": bool(numbered(root / "dev", "gpiochip")),
        "leds": bool(_entries(root / "sys/class/leds")),
        "power modes": (root / "etc/nvpmodel.conf").exists(),
        "power rails": bool(read_rails(root)),
        "temperatures": bool(read_zones(root)),
        "gpu load": gpu_load(root) is not None,
        "nvidia gpu": (root / "dev/nvidia0").exists() or (root / "dev/nvhost-gpu").exists(),
    }
    return [name for name, there in found.items() if there]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
