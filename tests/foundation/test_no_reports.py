"""No library of ours reports what the box does to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Each loads ONNX Runtime in its own way: the daemon, the training child, the speech filter.
IMPORTS = (
    "import appliance.models.onnx_engine",
    "import appliance.training.export",
    "from appliance.audio.speech import SpeechDetector; SpeechDetector()",
)


def test_onnx_runtime_keeps_no_telemetry_to_be_sent(tmp_path: Path) -> None:
    """Where it reports, it keeps a database of what is to be sent in the user's cache folder,
    from the import on."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    for code in IMPORTS:
        check = f"{code}; import sys; assert 'onnxruntime' in sys.modules"
        subprocess.run([sys.executable, "-c", check], env=environment, check=True)
        left = [path for path in home.rglob("*") if "onnxruntime" in str(path).lower()]
        assert left == [], code
