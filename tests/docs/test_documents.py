"""Documents that cannot rot: what they list is compared with what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def tracked(*patterns: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


def test_the_settings_page_is_current(tmp_path: Path) -> None:
    code = "import runpy; print(runpy.run_path('scripts/settings_doc.py')['page'](), end='')"
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert (REPOSITORY / "docs" / "settings.md").read_text() == made


def test_the_readme_lists_every_file_of_the_program() -> None:
    listed = set(re.findall(r"\b[\w/]+\.py\b", (REPOSITORY / "README.md").read_text()))
    files = {Path(name).name for name in tracked("appliance/*.py")} - {"__init__.py", "__main__.py"}
    missing = files - {Path(name).name for name in listed}
    assert not missing, f"README.md does not mention {sorted(missing)}"


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
