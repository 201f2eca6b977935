"""The board's edges, real or fake, in one record: what `Hardware` is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firmware_hooks.hotplug import Hotplug, UdevHotplug
from firmware_hooks.lines import GpiodLines, Lines
from firmware_hooks.power_control import PowerControl, UnitPower
from firmware_hooks.sensors import Sensors, SystemSensors


@dataclass
class Kit:
    """Those of this computer, unless others are given. environment: where systemd's addresses
    are; root: where /sys is."""

    sensors: Sensors = field(default_factory=SystemSensors)
    lines: Lines = field(default_factory=GpiodLines)
    power: PowerControl = field(default_factory=UnitPower)
    hotplug: Hotplug = field(default_factory=UdevHotplug)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
