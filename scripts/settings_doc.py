"""Write docs/settings.md from the settings themselves. Run: python scripts/settings_doc.py"""

from __future__ import annotations

from pathlib import Path

from appliance.settings_reading import describe

HEAD = """# Settings

One TOML file, `earmark.toml` in the data folder, read when the daemon starts; the environment
wins over it. `earmark settings` shows what is at work and where it comes from, `earmark settings
set http.port 8711` writes the file, and `earmark settings reload` says what needs no restart. By
hand, `http.port` is written

```toml
[http]
port = 8710
```

or `EARMARK_HTTP_PORT=8710`. An unknown key stops the start with "did you mean". What belongs to a
microphone (gain, channel, trigger) or a label (its threshold) is not here: it is kept in the
database and set while the daemon runs (`earmark devices`, `earmark thresholds`).

This page is made by `python scripts/settings_doc.py`; a test fails when it is out of date.

| setting | default | range | what it does |
|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = []
    for row in describe():
        limits = "" if row.low is None else f"{row.low:g} to {row.high:g}"
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        rows.append(f"| `{row.name}` | `{default}` | {limits} | {row.help} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(__file__).resolve().parent.parent.joinpath("docs", "settings.md").write_text(page())
