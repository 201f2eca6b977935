"""The board's figures for Prometheus: temperatures, power, GPU, and the hooks that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.api.services import Services

Sample = tuple[Mapping[str, str], float]
Family = tuple[str, str, str, Iterable[Sample]]
"""Name, type, help and samples of one metric."""


def board_families(services: Services) -> list[Family]:
    """What the board does not tell has no sample."""
    board = services.house.hardware.view()
    hooks = services.house.hooks.state()
    mode = board.power_mode
    return [
        (
            "temperature_celsius",
            "gauge",
            "of each thermal zone that is on",
            [({"zone": z.name}, z.celsius) for z in board.temperatures if z.celsius is not None],
        ),
        (
            "power_watts",
            "gauge",
            "of each power rail",
            [({"rail": rail.name}, rail.watts) for rail in board.rails if rail.watts is not None],
        ),
        ("gpu_load_ratio", "gauge", "share of the GPU in use", _one(board.gpu_load)),
        (
            "power_mode",
            "gauge",
            "the mode of the board",
            [] if mode is None else [({"mode": mode.name}, 1.0)],
        ),
        (
            "training_too_hot",
            "gauge",
            "1 while the board is too hot to train",
            [] if board.heat.pause_at is None else [({}, float(board.heat.hot))],
        ),
        (
            "hung_loops",
            "gauge",
            "loops of the daemon that do not turn",
            [({}, float(len(board.hung)))],
        ),
        (
            "hook_runs_total",
            "counter",
            "runs of each hook",
            [({"hook": hook.name}, float(hook.runs)) for hook in hooks.hooks],
        ),
        (
            "hook_failures_total",
            "counter",
            "runs of each hook that failed",
            [({"hook": hook.name}, float(hook.failures)) for hook in hooks.hooks],
        ),
        ("hooks_dropped_total", "counter", "events dropped by slow hooks", _one(hooks.dropped)),
    ]


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, float(value))]
