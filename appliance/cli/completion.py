"""`earmark completion SHELL`."""

from __future__ import annotations

import click

from appliance.cli.common import State, command, emit, pass_state

_HOW = {
    "bash": 'eval "$(earmark completion bash)"      # in ~/.bashrc',
    "zsh": 'eval "$(earmark completion zsh)"       # in ~/.zshrc, after compinit',
    "fish": "earmark completion fish | source        # in ~/.config/fish/config.fish",
}


@command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(sorted(_HOW)))
@pass_state
def completion(state: State, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    eval "$(earmark completion bash)"      # in ~/.bashrc
    eval "$(earmark completion zsh)"       # in ~/.zshrc, after compinit
    earmark completion fish | source       # in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    maker = kind(root, {}, "earmark", "_EARMARK_COMPLETE")
    # Not maker.source(): for bash that asks the local bash for its version, which may be absent.
    script = maker.source_template % maker.source_vars()
    if state.json:
        emit({"shell": shell, "script": script, "use": _HOW[shell]})
    else:
        click.echo(script)
