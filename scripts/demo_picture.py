"""Run the demo and write what it prints as docs/pictures/demo.svg, for the README.

.venv/bin/python scripts/demo_picture.py
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from appliance.demo import run
from appliance.demo.show import Screen

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "demo.svg"
WIDTH = 100


def main() -> int:
    plain = {"highlight": False, "markup": False, "emoji": False}
    console = Console(file=io.StringIO(), record=True, width=WIDTH, **plain)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "earmark-demo"
        status = run.run(root, Screen(console), once=True)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="make demo").replace(str(root), "~/.local/share/earmark-demo")
    # Nobody who looks at a picture should call a font server.
    svg = re.sub(r',\s*url\("https?://[^)]*\) format\("[^"]*"\)', "", svg)
    PICTURE.write_text(svg)
    print(f"{PICTURE}: the demo {'passed' if status == 0 else 'FAILED'}")  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
