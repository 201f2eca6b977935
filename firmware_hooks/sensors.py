"""Everything that is measured again and again, behind one object, and a fake to be driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from firmware_hooks.board import Board, Memory, gpu_load, read_board, read_memory
from firmware_hooks.power_rails import Rail, read_rails
from firmware_hooks.thermal import Zone, read_zones, throttled


class Sensors(Protocol):
    """None and empty lists are what a board lacks, or does not tell now."""

    def board(self) -> Board: ...

    def zones(self) -> list[Zone]: ...

    def throttled(self) -> list[str]: ...

    def rails(self) -> list[Rail]: ...

    def gpu_load(self) -> float | None: ...

    def memory(self) -> Memory | None: ...


class SystemSensors:
    """Those of the computer whose /sys and /proc lie below `root`. A look costs about 1 ms."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def board(self) -> Board:
        return read_board(self.root)

    def zones(self) -> list[Zone]:
        return read_zones(self.root)

    def throttled(self) -> list[str]:
        return throttled(self.root)

    def rails(self) -> list[Rail]:
        return read_rails(self.root)

    def gpu_load(self) -> float | None:
        return gpu_load(self.root)

    def memory(self) -> Memory | None:
        return read_memory(self.root)


@dataclass
class FakeSensors:
    """A board whose temperatures are whatever `celsius` is set to, by zone."""

    celsius: dict[str, float | None] = field(default_factory=lambda: {"cpu": 45.0, "tj": 46.0})
    watts: dict[str, float | None] = field(default_factory=dict)
    load: float | None = None
    alerts: list[str] = field(default_factory=list)
    model: str = "A fake board"

    def board(self) -> Board:
        return Board(self.model, "", None, None, ("temperatures",))

    def zones(self) -> list[Zone]:
        return [Zone(name, value, 105.0) for name, value in self.celsius.items()]

    def throttled(self) -> list[str]:
        return list(self.alerts)

    def rails(self) -> list[Rail]:
        return [Rail(name, value) for name, value in self.watts.items()]

    def gpu_load(self) -> float | None:
        return self.load

    def memory(self) -> Memory | None:
        return Memory(8 << 30, 4 << 30)
