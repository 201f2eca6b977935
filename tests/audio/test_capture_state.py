"""The sets of capture states: each of known states, and no module keeps a list of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import appliance
from appliance.audio import capture_state
from appliance.audio.capture_state import DEAD, OVER, STATES, STREAMING, TROUBLED

PACKAGE = Path(appliance.__file__).parent


def test_every_state_has_its_place() -> None:
    assert set(TROUBLED) | set(OVER) | {"starting", "running"} == set(STATES)
    assert not set(DEAD) & set(STREAMING)


def test_no_other_module_lists_them() -> None:
    home = Path(capture_state.__file__)
    lists = []
    for file in PACKAGE.rglob("*.py"):
        if file == home:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                words = {e.value for e in node.elts if isinstance(e, ast.Constant)}
                if len(words) >= 3 and words <= set(STATES):
                    lists.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert lists == []
