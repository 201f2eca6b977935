"""What every command has: where the daemon is, `--json`, and how to ask before a big change."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.errors import InvalidInput
from appliance.text import did_you_mean, how_to_begin

if TYPE_CHECKING:
    from appliance.client import Client

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class State:
    """The global options of this call. `json` means: machine output alone on standard output."""

    url: str | None = None
    token: str | None = None
    data: Path | None = None
    json: bool = False

    def client(self) -> Client:
        """The daemon that the options, the environment or the data folder name."""
        from appliance.client import Client

        return Client.find(self.url, self.token, self.data)


def pass_state(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the function the `State` of this call as its first argument."""

    @functools.wraps(function)
    def with_state(*args: Any, **kwargs: Any) -> Any:
        return function(click.get_current_context().ensure_object(State), *args, **kwargs)

    return with_state


def emit(value: Any) -> None:
    """`value` as one JSON document on standard output."""
    click.echo(dumps(value, indent=2))


def emit_line(value: Any) -> None:
    """`value` as one line of a JSON stream, written at once."""
    click.echo(dumps(value))
    sys.stdout.flush()


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON that the terminal's encoding can carry."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    separators = (",", ":") if indent is None else None
    return json.dumps(
        value, ensure_ascii=encoding != "utf8", indent=indent, separators=separators, default=str
    )


def _remember(field: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> Any:
        if value:
            setattr(context.ensure_object(State), field, value)
        return value

    return callback


def common_options(*, hidden: bool) -> list[click.Parameter]:
    """`--url --token --data --json`; commands take them too, so that their place does not matter.

    Only the top level shows the first three in its help.
    """
    return [
        click.Option(
            ["--url"],
            metavar="URL",
            hidden=hidden,
            expose_value=False,
            callback=_remember("url"),
            help="The daemon's address, e.g. http://127.0.0.1:8710 (also EARMARK_URL).",
        ),
        click.Option(
            ["--token"],
            metavar="TOKEN",
            hidden=hidden,
            expose_value=False,
            callback=_remember("token"),
            help="The token for that address (also EARMARK_TOKEN).",
        ),
        click.Option(
            ["--data"],
            metavar="FOLDER",
            hidden=hidden,
            expose_value=False,
            type=click.Path(path_type=Path),
            callback=_remember("data"),
            help="The data folder whose daemon is meant (also EARMARK_DATA).",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_remember("json"),
            help="Print JSON alone on standard output, and errors as JSON.",
        ),
    ]


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options(hidden=True)]


class Group(click.Group):
    """Commands under one name; alone it does what `invoke_without_command` functions do.

    `default` names the subcommand that is meant when the first argument is none of them, so that
    `earmark version V001` is `earmark version show V001`.
    """

    command_class = Command

    def __init__(self, *args: Any, default: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options(hidden=True)]
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.default and not ctx.resilient_parsing:
            first = next((a for a in args if not a.startswith("-")), None)
            asks_help = any(a in ("--help", "-h") for a in args) and first is None
            if first not in self.commands and args and not asks_help:
                args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return suggest(super().resolve_command, ctx, args, self.list_commands(ctx))


def suggest(
    resolve: Callable[..., tuple[str | None, click.Command | None, list[str]]],
    ctx: click.Context,
    args: list[str],
    known: list[str],
) -> tuple[str | None, click.Command | None, list[str]]:
    """Resolve, and name the nearest command when there is none of that name."""
    try:
        return resolve(ctx, args)
    except click.UsageError as error:
        if args and args[0] not in known and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], known, n=1, cutoff=0.6)
            top = ctx.find_root().command
            if near:
                hint = f" Did you mean {near[0]!r}?"
            elif ctx.parent is None:
                hint = " See 'earmark --help'."
            elif isinstance(top, click.Group) and args[0] in top.list_commands(ctx):
                hint = f" There is 'earmark {args[0]}'."
            else:
                hint = f" Here are: {', '.join(known)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from error
        raise


def command(name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command with the common options."""
    return click.command(name, cls=Command, **kwargs)


def group(name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Group]:
    """Declare a group of commands with the common options."""
    return click.group(name, cls=Group, **kwargs)


def yes_option(function: F) -> F:
    """`--yes` for commands that ask."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(function)


def confirmed(state: State, question: str, yes: bool) -> None:
    """Go on only when the person agrees. Without a terminal `--yes` must have been given.

    Raises InvalidInput where nobody can be asked.
    """
    if yes:
        return
    if state.json or not sys.stdin.isatty():
        raise InvalidInput(
            f"nothing was changed: {question} Nobody can be asked here", "--yes answers yes"
        )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # behind the ^C
        raise
    if not agreed:
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)


def known_label(client: Client, name: str, otherwise: str = "") -> dict[str, Any]:
    """The label with its counts, before anybody is asked about it. Raises InvalidInput with the
    nearest name, and `otherwise`: what else to do."""
    from appliance.library.names import label_name

    name = label_name(name)
    rows: list[dict[str, Any]] = client.get("/labels")["items"]
    for row in rows:
        if row["name"] == name:
            return row
    advice = otherwise or "`earmark labels` lists them"
    raise InvalidInput(
        f"there is no label {name!r}", did_you_mean(name, [row["name"] for row in rows], advice)
    )


def next_step(client: Client) -> str:
    """What to do while nothing is deployed."""
    made = client.get("/versions")["items"]
    return how_to_begin(made[0]["name"] if made else None)


def microphone_path(name: str) -> str:
    """The API's path of a microphone, by its id or name."""
    from appliance.client import quoted

    return f"/microphones/{quoted(name)}"


def microphone_names(client: Client) -> dict[str, str]:
    """The name of each microphone by its id; of one that was removed, with a word about it."""
    former = client.get("/microphones/former")["items"]
    names = {row["id"]: f"{row['name']} (removed)" for row in former}
    names.update({row["id"]: row["name"] for row in client.get("/microphones")["items"]})
    return names


def silence_stdout() -> None:
    """After a broken pipe: what is still buffered goes nowhere, quietly."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # standard output is no real file
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
