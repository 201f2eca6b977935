"""Lives of the daemon on a device, and builders that are slow or that crash."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from appliance.models.build_process import BuildResult, run_build
from appliance.models.deploy import Deployments

Box = Callable[..., Deployments]


def slowly(job: dict[str, Any], *rest: Any, gate: threading.Event, **options: Any) -> BuildResult:
    """A real build that begins when `gate` opens."""
    assert gate.wait(60)
    return run_build(job, *rest, **options)


def crashing(how: str) -> tuple[str, ...]:
    return (sys.executable, "-c", how)
