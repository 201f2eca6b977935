"""Write docs/cli.md from the commands themselves. Run: python scripts/cli_doc.py"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from appliance.cli.app import SECTIONS, earmark
from appliance.cli.common import common_options

HEAD = """# Command line

`earmark COMMAND --help` says the same where you are. Every command is a client of the HTTP API,
except for `serve` and `demo`.

- **Which daemon:** `--url`, then `EARMARK_URL`, then the socket of the data folder (`--data`,
  `EARMARK_DATA`, else `~/.local/share/earmark`), then the service's socket. `--token` or
  `EARMARK_TOKEN` is only needed over TCP; for an address on this box it is read from the folder.
- **For programs:** every command takes `--json`: one JSON document alone on standard output (a line
  for each event where a command follows something), and errors as JSON on standard error.
- **Exit status:** 0 done; 1 refused or failed, with one line that says why and one that says what
  to do; 2 the command was not written rightly; 130 interrupted with Ctrl-C; 141 the reader of a
  pipe went away.
- **Seconds** may be written `90`, `90s`, `5m` or `1h30m`; **times** `2025-11-23`,
  `'2025-11-23 14:05'`, `14:05`, `yesterday`, `2h` or `2 hours ago`. **Versions**
  are `V001` or just `1`.
- **Without a terminal** there are no bars and no colours, and tables are not cut; `NO_COLOR` is
  obeyed. Commands that ask need `--yes` there.
- **Completion:** `eval "$(earmark completion bash)"`, and likewise for zsh; fish:
  `earmark completion fish | source`.

This page is made by `python scripts/cli_doc.py`; a test fails when it is out of date.
"""


def page() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    context = click.Context(earmark, info_name="earmark")
    for title, commands in SECTIONS:
        lines.append(f"## {title}\n")
        for name in commands:
            command = earmark.get_command(context, name)
            assert command is not None
            lines.extend(_command(command, f"earmark {name}", 3))
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, name: str, level: int) -> Iterator[str]:
    words = " ".join(_argument(p) for p in command.params if isinstance(p, click.Argument))
    yield f"{'#' * level} `{f'{name} {words}'.strip()}`\n"
    yield _prose(command.help or "") + "\n"
    shared = {parameter.name for parameter in common_options(hidden=True)}
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in shared
    ]
    if options:
        yield "| option | |"
        yield "|---|---|"
        for option in options:
            yield f"| `{_option(option)}` | {_cell(option)} |"
        yield ""
    if isinstance(command, click.Group):
        for below, inner in sorted(command.commands.items()):
            if not inner.hidden:
                yield from _command(inner, f"{name} {below}", level + 1)


def _prose(text: str) -> str:
    """A docstring's paragraphs; those marked with \\b keep their lines."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            paragraphs.append(f"```\n{paragraph.lstrip(chr(8)).strip()}\n```")
        else:
            paragraphs.append(paragraph.replace("<", "&lt;"))
    return "\n\n".join(paragraphs)


def _argument(argument: click.Argument) -> str:
    choices = argument.type
    shown = argument.metavar or (argument.name or "").upper()
    if argument.metavar is None and isinstance(choices, click.Choice):
        shown = "|".join(str(choice) for choice in choices.choices)
    if argument.nargs == -1 and argument.metavar is None:
        shown += "..."
    return shown if argument.required else f"[{shown}]"


def _option(option: click.Option) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        names += "/" + ", ".join(option.secondary_opts)
    if option.is_flag:
        return names
    kind = option.type
    if option.metavar:
        value = option.metavar
    elif isinstance(kind, click.Choice):
        value = "|".join(str(choice) for choice in kind.choices)
    elif isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        value = "N"
    elif isinstance(kind, click.Path):
        value = "PATH"
    else:
        value = kind.name.upper()
    return f"{names} {value}".replace("|", "\\|")


def _cell(option: click.Option) -> str:
    text = (option.help or "").replace("|", "\\|").replace("<", "&lt;")
    shown = option.show_default and option.default is not None and not option.is_flag
    return f"{text} Default: `{option.default}`." if shown else text


if __name__ == "__main__":
    Path(__file__).resolve().parent.parent.joinpath("docs", "cli.md").write_text(page())
