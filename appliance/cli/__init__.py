"""The command line: a client of the HTTP API, except for `serve` and `demo`.

Each module holds one group of commands and is imported only when one of them is called, so that
`earmark --help` and `earmark status` start quickly; rich and httpx are imported where needed.
"""

from __future__ import annotations


def main() -> None:
    """The entry point `earmark`; ends the process with the command's exit status."""
    from appliance.cli.app import earmark, prepare_streams

    prepare_streams()
    earmark(prog_name="earmark")
