"""`earmark` itself: which command lives in which module, and how every failure ends.

Exit status: 0 done; 1 refused or failed, with one line that says why and one that says what to
do; 2 usage; 130 interrupted with Ctrl-C; 141 the reader of a pipe went away.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from appliance import __version__
from appliance.cli.common import common_options, dumps, silence_stdout, suggest
from appliance.errors import EarmarkError

# (section, {command: (module:attribute, what it does)}); the words must equal the command's own
# short help (a test compares them): reading them from the modules would import them all.
SECTIONS: tuple[tuple[str, dict[str, tuple[str, str]]], ...] = (
    (
        "The box",
        {
            "serve": ("serve:serve", "Run the daemon on a data folder."),
            "demo": ("serve:demo", "Watch a box learn sounds and hear them; no microphone needed."),
            "tui": ("tui:tui", "Everything on one screen, by keyboard."),
            "status": ("status:status", "What the box is doing now."),
            "doctor": ("doctor:doctor", "What is wrong with the box, and what to do about it."),
            "pause": ("privacy:pause", "Close every microphone, for privacy."),
            "resume": ("privacy:resume", "Listen again after a pause."),
            "settings": ("settings:settings", "Every setting, where it comes from; change one."),
            "board": ("board:board", "The board: temperatures, power, button and light."),
            "hooks": ("hooks:hooks", "Programs that run when something happens; try one."),
            "audit": ("audit:audit", "Who changed what, and when."),
            "support-bundle": (
                "bundle:bundle",
                "A zip for a report: no sounds, no token, no names of labels.",
            ),
            "events": ("status:events", "Follow what happens in the box."),
            "backup": ("backup:backup", "Back up sounds, labels and versions; list backups."),
            "restore": ("backup:restore", "Make a data folder of a backup; without a daemon."),
            "notices": ("notices:notices", "What the box did by itself that you should know of."),
            "quarantine": (
                "quarantine:quarantine",
                "Damaged or stray files: list, put back, delete; look now.",
            ),
            "retention": (
                "retention:retention",
                "Delete the clips worth least when the disk is full.",
            ),
            "install": (
                "install:install",
                "Install as a service that starts at boot; again to upgrade.",
            ),
            "uninstall": (
                "install:uninstall",
                "Remove the service; the sounds stay unless told otherwise.",
            ),
        },
    ),
    (
        "Sounds come in",
        {
            "devices": ("devices:devices", "List microphones; add, change or remove them."),
            "record": ("record:record", "Record from one or several microphones."),
            "triggers": (
                "triggers:triggers",
                "Record by itself what rises above quiet.",
            ),
            "schedule": ("gather:schedule", "Record every day at a time."),
            "background": ("gather:background", "Gather background samples over time."),
            "history": (
                "history:history",
                "The last hours of each microphone: pause, cut, forget.",
            ),
            "import": (
                "import_sounds:import_sounds",
                "Import a folder a class, or a labels.csv.",
            ),
        },
    ),
    (
        "Clips and labels",
        {
            "clips": ("clips:clips", "List clips; show, cut, delete or export them."),
            "label": ("labels:label", "Label clips: one, many, or all that a filter finds."),
            "labels": (
                "labels:labels",
                "Labels and readiness; create, rename, merge, delete.",
            ),
            "export": ("export:export", "Write clips as class folders and detections as CSV."),
        },
    ),
    (
        "Training",
        {
            "train": ("train:train", "Publish a dataset version and queue a training."),
            "jobs": ("jobs:jobs", "List trainings and the queue."),
            "job": ("jobs:job", "Show one training: progress, events, log."),
            "cancel": ("jobs:cancel", "Cancel a training that is queued or running."),
            "versions": ("versions:versions", "List trained versions."),
            "version": (
                "versions:version",
                "One version: evaluation, note, export, import, delete.",
            ),
        },
    ),
    (
        "Listening",
        {
            "deploy": ("deploy:deploy", "Let a version listen."),
            "compare": ("compare:compare", "Hear two versions against each other."),
            "shadow": ("shadow:shadow", "A version that listens silently beside the live one."),
            "rollback": ("deploy:rollback", "Go back to the deployment before."),
            "predict": ("deploy:predict", "Ask the deployed version about files."),
            "listen": ("listen:listen", "Watch live what the box hears."),
            "rejected": ("listen:rejected", "What was nearly reported, and why it was not."),
            "detections": ("detections:detections", "List detections; confirm or refute them."),
            "thresholds": ("deploy:thresholds", "Show or set the score that a label must reach."),
        },
    ),
    (
        "The shell",
        {"completion": ("completion:completion", "Print the completion script of a shell.")},
    ),
)
COMMANDS = {name: entry for _, commands in SECTIONS for name, entry in commands.items()}


class Root(click.Group):
    """Loads a command's module when it is called, and turns every failure into its exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        loaded: click.Command = getattr(import_module(f"appliance.cli.{module}"), attribute)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return suggest(super().resolve_command, ctx, args, list(COMMANDS))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in COMMANDS)
        for title, commands in SECTIONS:
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), words) for name, (_, words) in commands.items()]
                )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()
            raise click.exceptions.Exit(141) from None
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        as_json = "--json" in words
        try:
            done = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            _usage(error, as_json)
        except click.ClickException as error:
            _fail(error.format_message(), "", as_json, error.exit_code)
        except click.Abort:
            _fail("interrupted", "", as_json, 130)
        except EarmarkError as error:
            _fail(
                error.message,
                error.advice,
                as_json,
                1,
                http_status=getattr(error, "status", None) or None,
                reasons=getattr(error, "reasons", None) or None,
            )
        except BrokenPipeError:
            silence_stdout()
            sys.exit(141)
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            _fail(f"{name}{error.strerror or error}", "", as_json, 1)
        sys.exit(done if isinstance(done, int) else 0)


def _usage(error: click.UsageError, as_json: bool) -> NoReturn:
    if as_json:
        where = error.ctx.command_path if error.ctx else "earmark"
        _fail(error.format_message(), f"see `{where} --help`", True, error.exit_code)
    error.show()
    sys.exit(error.exit_code)


def _fail(message: str, advice: str, as_json: bool, status: int, **more: Any) -> NoReturn:
    """One line why, one line what to do; or one JSON object. Always on standard error."""
    if as_json:
        body = {"error": message, "advice": advice}
        body.update({key: value for key, value in more.items() if value is not None})
        click.echo(dumps(body), err=True)
    else:
        from appliance.cli.output import safe

        click.echo(f"earmark: {safe(' '.join(message.split()))}", err=True)
        if advice:
            click.echo(f"  {safe(' '.join(advice.split()))}", err=True)
    sys.exit(status)


def prepare_streams() -> None:
    """A terminal that cannot write a letter gets its escape, never an exception."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@click.group(
    cls=Root,
    params=common_options(hidden=False),
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="earmark", message="%(prog)s %(version)s")
def earmark() -> None:
    """Teach a box to recognise your sounds: record, label, train and listen on one device.

    The daemon is found by --url, then EARMARK_URL, then the data folder's socket, then the
    service's socket.
    """
