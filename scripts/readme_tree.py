"""Put the tree, a line a file, into README.md. Run: python scripts/readme_tree.py

The line is the first sentence of the file's own docstring, so that it is written once.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- tree: made by scripts/readme_tree.py -->", "<!-- end of tree -->"
FOLDERS = ("appliance", "tui", "firmware_hooks", "benchmarks", "scripts")
WIDTH = 118


def first_sentence(file: Path) -> str:
    doc = ast.get_docstring(ast.parse(file.read_text())) or ""
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".:")


def tree() -> str:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    lines = []
    folder = ""
    for name in sorted(set(listed), key=lambda name: (str(Path(name).parent), name)):
        path = Path(name)
        if path.suffix != ".py" or not (REPOSITORY / path).exists():
            continue
        if str(path.parent) != folder:
            folder = str(path.parent)
            package = REPOSITORY / folder / "__init__.py"
            about = first_sentence(package) if package.exists() else ""
            lines.append(f"{folder + '/':<28}{about}".rstrip())
        if path.name not in ("__init__.py", "__main__.py"):
            line = f"  {path.name:<26}{first_sentence(REPOSITORY / path)}"
            lines.append(line if len(line) <= WIDTH else line[: WIDTH - 1].rsplit(" ", 1)[0] + " …")
    return "\n".join(lines)


def page() -> str:
    """README.md with its tree brought up to date."""
    text = (REPOSITORY / "README.md").read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n```\n{tree()}\n```\n{END}{tail}"


if __name__ == "__main__":
    (REPOSITORY / "README.md").write_text(page())
