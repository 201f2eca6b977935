"""Labels as a whole: create, rename, merge, delete; and which digit gives which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.client import quoted
from tui.dialogs.ask import Ask
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.digits import DIGITS

if TYPE_CHECKING:
    from tui.pages.label import LabelPage

WHAT = ("Create a label", "Rename a label", "Merge a label into another", "Delete a label")


async def manage_labels(page: LabelPage) -> None:
    """Ask what, and do it over all clips."""
    app = page.app
    what = await app.push_screen_wait(Choose("Labels", WHAT))
    if what == WHAT[0]:
        name = await app.push_screen_wait(Ask("What is the new label called?"))
        if name:
            await page.box.post("/labels", {"name": name})
    elif what is not None:
        label = await app.push_screen_wait(Choose(f"{what}: which?", page.labels))
        if label is None:
            return
        if what == WHAT[1]:
            name = await app.push_screen_wait(Ask(f"A new name for {label}", value=label))
            if name and name != label:
                await page.box.patch(f"/labels/{quoted(label)}", {"name": name})
        elif what == WHAT[2]:
            others = [other for other in page.labels if other != label]
            into = await app.push_screen_wait(Choose(f"All clips of {label} become …", others))
            if into:
                detail = f"{label} goes; this cannot be undone."
                if await app.push_screen_wait(Confirm(f"Merge {label} into {into}?", detail)):
                    await page.box.post(f"/labels/{quoted(label)}/merge", {"into": into})
        else:
            detail = "Its clips stay, without a label. This cannot be undone."
            if await app.push_screen_wait(Confirm(f"Delete the label {label}?", detail)):
                await page.box.delete(f"/labels/{quoted(label)}")
    else:
        return
    await page.know_labels()
    page.reload()


async def choose_digit(page: LabelPage) -> None:
    """Ask which digit shall give which label."""
    now = [f"{digit}  {page.digits.labels.get(digit, '-')}" for digit in DIGITS]
    which = await page.app.push_screen_wait(Choose("Which digit?", now))
    if not which:
        return
    title = f"Which label shall {which[0]} give?"
    label = await page.app.push_screen_wait(Choose(title, page.labels))
    if label:
        if trouble := page.digits.choose(which[0], label):
            page.notify(trouble, severity="warning")
        page.describe()
