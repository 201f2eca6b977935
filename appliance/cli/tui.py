"""`earmark tui`: the terminal UI."""

from __future__ import annotations

import sys

import click

from appliance.cli.common import State, command, pass_state


@command("tui", short_help="Everything on one screen, by keyboard.")
@click.option(
    "--low-bandwidth",
    is_flag=True,
    help="For a poor line: no spectrogram, levels every three seconds.",
)
@click.option(
    "--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True, help="Look."
)
@pass_state
def tui(state: State, low_bandwidth: bool, theme: str) -> None:
    """Record, label, train, deploy and listen on one screen; ? shows the keys.

    It is a client like the other commands: leaving it stops nothing. Without a daemon it waits
    for one.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.ClickException("the terminal UI needs a terminal: over SSH, use `ssh -t`")
    from tui.launch import run

    status = run(
        url=state.url,
        token=state.token,
        data=state.data,
        low_bandwidth=low_bandwidth,
        theme=theme,
    )
    raise click.exceptions.Exit(status)
