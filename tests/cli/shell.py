"""The installed command, run as a person's shell runs it, against a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.client import Client
from tests.box import Box

INSTALLED = Path(sys.executable).with_name("earmark")
COMMAND = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "appliance.cli"]
CLASSES = {"001 - Dog bark": "dog", "002 - Rain": "rain", "009 - Rooster": "rooster"}
EACH = 6
"""Files of each class that `library` has imported."""


@dataclass
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)


class Shell:
    """Runs `earmark` as a person's shell does, without a terminal."""

    def __init__(self, box: Box, api: Client) -> None:
        self.box = box
        self.api = api
        self.environment = {**os.environ, "EARMARK_DATA": str(box.data)}
        for name in ("EARMARK_URL", "EARMARK_TOKEN", "COLUMNS"):
            self.environment.pop(name, None)

    def start(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *(str(word) for word in words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def __call__(self, *words: object, text: str = "") -> Done:
        process = self.start(*words)
        out, err = process.communicate(text, timeout=120)
        return Done(process.returncode, out, err)

    def json(self, *words: object, text: str = "", status: int = 0) -> Any:
        done = self(*words, "--json", text=text)
        assert done.status == status, f"{words}: {done.out}\n{done.err}\n{self.log()}"
        return done.json

    def log(self) -> str:
        return self.box.log.read_text()[-3000:]
