"""A training in two steps: what it shall be, then what that means; only Submit does anything."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from appliance.errors import EarmarkError
from appliance.text import count, safe
from appliance.units import human_duration
from tui.dialogs.dialog import Dialog
from tui.draw import fit
from tui.widgets.rows import Row, Rows
from tui.words import sentence

LEAST, MOST, DEFAULT = 6, 6000, 60
FLAVORS = (
    ("free", "free: this device, stops after one hour at the latest"),
    ("compute", "compute: this device, may use the whole maximum duration"),
)

Specify = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Training(Dialog["dict[str, Any] | None"]):
    """`await app.push_screen_wait(Training(...))` is the body of `POST /jobs`, or None.

    specify: asks the daemon what a training would be (`GET /jobs/specification`).
    """

    BINDINGS = [
        Binding("f8", "next", "Next", priority=True),
        Binding("f7", "back", "Back", priority=True),
    ]
    DEFAULT_CSS = """
    Training > #dialog { width: 76; max-height: 100%; }
    Training #form, Training #page { height: auto; }
    Training #page { display: none; }
    Training.-second #form { display: none; }
    Training.-second #page { display: block; }
    Training .field { margin: 1 0 0 0; color: $secondary; }
    Training #flavor { height: 2; }
    Training #wrong { color: $error; height: auto; }
    Training #specification { height: auto; max-height: 15; margin: 1 0 0 0; }
    Training #buttons { height: 1; margin: 1 0 0 0; }
    Training Button { width: 15; }
    """

    def __init__(self, first: Mapping[str, Any], versions: list[str], specify: Specify) -> None:
        """first: the specification with nothing chosen; versions: those to begin with."""
        super().__init__()
        self._first = first
        self._versions = versions
        self._specify = specify
        self._body: dict[str, Any] = {}
        # Made once: Submit pressed twice over a broken line is one job.
        self._key = str(uuid.uuid4())

    def compose(self) -> ComposeResult:
        name = Input(str(self._first["dataset_version"]), id="dataset")
        minutes = Input(str(DEFAULT), id="minutes", type="integer", max_length=4)
        begin = Input(placeholder="nothing: trained from the start", id="from")
        for field in (name, minutes, begin):
            field.cursor_blink = False
            field.compact = True
        flavors = Rows(id="flavor")
        flavors.show([Row(flavor, Content(words)) for flavor, words in FLAVORS])
        with VerticalScroll(id="dialog"):
            yield Static("Train: configuration", id="dialog-title", markup=False)
            with Vertical(id="form"):
                yield Static(
                    "Dataset version: what is labelled now is kept under this name",
                    classes="field",
                    markup=False,
                )
                yield name
                yield Static(
                    f"Maximum training duration in minutes, {LEAST} to {MOST}",
                    classes="field",
                    markup=False,
                )
                yield minutes
                yield Static("Flavor", classes="field", markup=False)
                yield flavors
                known = f" ({', '.join(self._versions[:6])})" if self._versions else ""
                yield Static(
                    f"Begin with the weights of a version{known}", classes="field", markup=False
                )
                yield begin
            with Vertical(id="page"), VerticalScroll(id="specification"):
                yield Static(id="words")
            yield Static(id="wrong", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Close (Esc)", id="close", compact=True)
                yield Button("Back (F7)", id="back", disabled=True, compact=True)
                yield Button("Next (F8)", id="next", variant="primary", compact=True)

    # --- the first page ------------------------------------------------------------------------

    def asked(self) -> dict[str, Any]:
        """What is filled in. ValueError in words when it means nothing."""
        text = self.query_one("#minutes", Input).value.strip()
        if not text.isdigit() or not LEAST <= int(text) <= MOST:
            raise ValueError(f"The duration is whole minutes from {LEAST} to {MOST}.")
        name = self.query_one("#dataset", Input).value.strip()
        if not name:
            raise ValueError("Give the dataset version a name.")
        begin = self.query_one("#from", Input).value.strip().upper()
        flavor = self.query_one("#flavor", Rows).current
        body: dict[str, Any] = {
            "dataset_version": name,
            "max_minutes": int(text),
            "flavor": flavor.key if flavor else FLAVORS[0][0],
        }
        return {**body, "from_version": begin} if begin else body

    def on_input_submitted(self) -> None:
        self.action_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        actions = {"close": self.action_close, "back": self.action_back, "next": self.action_next}
        actions[str(event.button.id)]()

    def action_next(self) -> None:
        if self.has_class("-second"):
            self.dismiss({**self._body, "idempotency_key": self._key})
        else:
            self.run_worker(self._look(), group="specification", exclusive=True)

    def action_back(self) -> None:
        self._turn(second=False)
        self.query_one("#dataset").focus()

    async def _look(self) -> None:
        wrong = self.query_one("#wrong", Static)
        try:
            self._body = self.asked()
            specification = await self._specify(self._body)
        except ValueError as error:
            wrong.update(str(error))
            return
        except EarmarkError as error:
            wrong.update(f"{sentence(error.message)} {sentence(error.advice)}")
            return
        possible = specification["readiness"]["ready"] or specification["dataset_exists"]
        wrong.update("" if possible else "; ".join(specification["readiness"]["reasons"]))
        self.query_one("#words", Static).update(specification_words(specification))
        self._turn(second=True)
        self.query_one("#next", Button).disabled = not possible
        self.query_one("#next" if possible else "#back").focus()

    def _turn(self, *, second: bool) -> None:
        self.set_class(second, "-second")
        title = "Train: confirm the specification" if second else "Train: configuration"
        self.query_one("#dialog-title", Static).update(title)
        self.query_one("#back", Button).disabled = not second
        button = self.query_one("#next", Button)
        button.label = "Submit (F8)" if second else "Next (F8)"
        button.disabled = False
        if not second:
            self.query_one("#wrong", Static).update("")


def specification_words(specification: Mapping[str, Any]) -> Content:
    """What would be trained, for how long, and when it would start."""
    readiness, plan = specification["readiness"], specification["plan"]
    exists = specification["dataset_exists"]
    new = "it exists, and is trained on again" if exists else "new"
    ahead = specification["position"] - 1
    start = time.strftime("%H:%M", time.localtime(specification["expected_start"]))
    planned = f"about {human_duration(plan['seconds'])}, {plan['steps']} steps" if plan else "-"
    rows = [
        ("dataset version", f"{specification['dataset_version']} ({new})"),
        ("begins with", specification["from_version"] or "nothing: trained from the start"),
        ("flavor", specification["flavor"]),
        ("limit", human_duration(specification["limit_s"])),
        ("estimate", planned),
        ("why", plan["why"] if plan else "-"),
        ("starts", "at once" if ahead <= 0 else f"after {count(ahead, 'job')}, about {start}"),
    ]
    lines = [Content.assemble((f"{title:<16}", "bold"), safe(value)) for title, value in rows]
    used = [one for one in readiness["classes"] if one["clips"]]
    if used and not exists:
        lines.append(Content.assemble(("\nclass                     clips  recordings", "bold")))
        lines += [
            Content(f"{fit(one['label'], 24)} {one['clips']:>6} {one['sessions']:>11}")
            for one in used
        ]
    lines += [
        Content.assemble(("note  ", "bold $warning"), safe(warning))
        for warning in readiness["warnings"]
    ]
    return Content("\n").join(lines)


def asker(get: Callable[..., Awaitable[Any]]) -> Specify:
    """`specify` over a connection's `get`."""
    return partial(_ask, get)


async def _ask(get: Callable[..., Awaitable[Any]], body: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = await get("/jobs/specification", **body)
    return answer
