"""`earmark serve` and `earmark demo`: the two commands that are no clients of a daemon."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.common import State, command, emit, pass_state


@command("serve", short_help="Run the daemon on a data folder.")
@click.option("--host", help="Address of the TCP listener; anything but loopback opens it.")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port; 0 lets the system choose.")
@click.option(
    "--socket",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The unix socket, instead of api.sock in the data folder.",
)
@pass_state
def serve(state: State, host: str | None, port: int | None, socket: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C; its log goes to standard error.

    The data folder is --data, else EARMARK_DATA, else ~/.local/share/earmark. Settings are read
    from earmark.toml there and from the environment. A second daemon on a folder is refused.
    """
    from appliance.daemon import serve as run
    from appliance.paths import default_data_folder

    data = state.data or default_data_folder()
    status = run(data.expanduser(), host=host, port=port, socket=socket)
    raise click.exceptions.Exit(status)


@command("demo", short_help="Watch a box learn sounds and hear them; no microphone needed.")
@click.option("--once", is_flag=True, help="Stop the box at the end instead of leaving it running.")
@click.option("--short", is_flag=True, help="Fewer sounds to learn from and to find.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the box; 8710 if it is free.")
@pass_state
def demo(state: State, once: bool, short: bool, port: int | None) -> None:
    """A box learns synthetic household sounds from replayed scenes, then hears new ones.

    The folder is --data, else ~/.local/share/earmark-demo; it is emptied at each start. The exit
    status is 0 only when the box heard what it had learnt.
    """
    from appliance.demo import folder, run
    from appliance.demo.show import Screen

    root = (state.data or folder.default_folder()).expanduser()
    if state.json:
        from appliance.cli.output import console

        screen = Screen(console(stderr=True))
    else:
        screen = Screen()
    course = run.SHORT if short else run.FULL
    status = run.run(root, screen, course=course, once=once, port=port)
    if state.json:
        emit({"passed": status == 0, "data": str(root), "running": status == 0 and not once})
    raise click.exceptions.Exit(status)
