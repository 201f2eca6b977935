"""Options that several commands share: which clips, which page, which ids."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from appliance.cli.common import State
from appliance.cli.durations import MOMENT

F = TypeVar("F", bound=Callable[..., Any])

SOURCES = (
    *("import", "recording", "trigger", "schedule", "background", "cut"),
    *("detection", "shadow", "history", "recovered"),
)
LARGEST_RANGE = 100_000


def filter_options(
    function: Callable[..., Any], label_option: str = "--label"
) -> Callable[..., Any]:
    """Adds the conditions on clips; the function gets them as `filters`, a dict for the API."""
    options = [
        click.option(
            label_option, "filter_label", metavar="LABEL", help="Only clips with this label."
        ),
        click.option("--unlabelled", is_flag=True, help="Only clips without a label."),
        click.option(
            "--microphone",
            metavar="NAME",
            help="Only clips of this microphone, also a removed one.",
        ),
        click.option("--session", metavar="KEY", help="Only clips of this recording session."),
        click.option("--source", type=click.Choice(SOURCES), help="Only clips that came this way."),
        click.option("--since", type=MOMENT, help="Recorded since: 2025-11-23, 14:05, 2h (ago)."),
        click.option("--until", type=MOMENT, help="Recorded until."),
        click.option("--dataset-version", metavar="NAME", help="Only clips that it holds."),
        click.option("--text", metavar="TEXT", help="Only clips whose file name contains it."),
        click.option("--duplicates", is_flag=True, help="Only near duplicates of another clip."),
    ]
    names = (
        "filter_label unlabelled microphone session source since until dataset_version text"
        " duplicates"
    )

    @functools.wraps(function)
    def collect(*args: Any, **kwargs: Any) -> Any:
        given = {name.removeprefix("filter_"): kwargs.pop(name) for name in names.split()}
        filters = {name: value for name, value in given.items() if value not in (None, False)}
        return function(*args, filters=filters, **kwargs)

    made: Callable[..., Any] = collect
    for option in reversed(options):
        made = option(made)
    return made


def labelled_filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with `--labelled` for the label that the clips have, where LABEL is another."""
    return filter_options(function, label_option="--labelled")


def page_options(function: F) -> F:
    """`--limit --cursor --all`: see `fetch`."""
    function = click.option("--all", "everything", is_flag=True, help="Every page.")(function)
    function = click.option("--cursor", metavar="CURSOR", help="Go on where a page ended.")(
        function
    )
    return click.option(
        "--limit",
        type=click.IntRange(1, 500),
        default=50,
        show_default=True,
        help="So many at most.",
    )(function)


def fetch(
    state: State,
    path: str,
    filters: dict[str, Any],
    limit: int,
    cursor: str | None,
    everything: bool,
) -> dict[str, Any]:
    """One page as the API gives it, or every item with `next` None."""
    with state.client() as client:
        if everything:
            items = list(client.pages(path, limit=500, cursor=cursor, **filters))
            return {"items": items, "next": None}
        page: dict[str, Any] = client.get(path, limit=limit, cursor=cursor, **filters)
        return page


def parse_ids(words: Iterable[str]) -> list[int]:
    """`12`, `#12`, `12-15` and `-` (ids on standard input), in order and once each."""
    ids: dict[int, None] = {}
    for word in words:
        if word == "-":
            ids.update(dict.fromkeys(parse_ids(sys.stdin.read().split())))
            continue
        match = re.fullmatch(r"#?(\d{1,18})(?:-(\d{1,18}))?", word, re.ASCII)
        if match is None:
            raise click.UsageError(f"{word!r} is not a clip's number: write 12, 12-15 or -")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise click.UsageError(f"{word!r} runs backwards: write {last}-{first}")
        if last - first >= LARGEST_RANGE:
            raise click.UsageError(f"{word!r} is more than {LARGEST_RANGE} clips: give conditions")
        ids.update(dict.fromkeys(range(first, last + 1)))
    return list(ids)
