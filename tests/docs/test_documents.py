"""Documents that cannot rot: what they list is compared with what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def made_by(script: str) -> str:
    """What a script would write, made by the program as it is now."""
    code = f"import runpy; print(runpy.run_path({script!r})['page'](), end='')"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_the_settings_page_is_current() -> None:
    assert (REPOSITORY / "docs" / "settings.md").read_text() == made_by("scripts/settings_doc.py")


def test_the_tree_in_the_readme_is_current() -> None:
    assert (REPOSITORY / "README.md").read_text() == made_by("scripts/readme_tree.py")


def test_the_keys_of_the_terminal_ui_are_current() -> None:
    assert (REPOSITORY / "docs" / "tui.md").read_text() == made_by("scripts/tui_keys.py")


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
