"""A version's way to listening, on the Versions screen: heard against what listens, deployed,
refused, forced, stopped, rolled back; and the shadow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.client_errors import ClientError
from appliance.comparison_figures import stretch
from appliance.text import safe
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.dialogs.facts import Facts
from tui.gate_words import ended_words, report_rows, shadow_rows
from tui.widgets.going_live import GoingLive
from tui.widgets.version_rows import VersionRows

if TYPE_CHECKING:
    from tui.pages.versions import VersionsPage

PRECISIONS = ("fp32", "fp16", "int8")
LONGEST_S = 1800.0
"""A rollback may have to build an engine; the daemon ends that after a quarter of an hour."""
FORCE, END, DEPLOY, SHOW = "f", "e", "d", "o"


class Live:
    """What the page's keys do about listening. A comparison that was begun here shows its report
    when it ends badly; one of another client is only told in a line."""

    def __init__(self, page: VersionsPage) -> None:
        self._page = page
        self._told = 0
        """How often an event or an answer said how a comparison or the shadow is."""
        self._begun: dict[int, dict[str, Any]] = {}
        """What was asked for, by the comparison that it waits for."""

    @property
    def _going(self) -> GoingLive:
        return self._page.query_one(GoingLive)

    # --- what is shown -------------------------------------------------------------------------

    async def look(self) -> None:
        """Fetch what goes on now."""
        box, page = self._page.box, self._page
        told = self._told
        self._going.build(page.earmark.status.get("engine_work"))
        known = await box.get_known("/comparisons", limit=1)
        newest = known["items"][0] if known and known["items"] else None
        if newest is not None:
            running = newest["state"] == "running"
            if running:
                newest = await box.get(f"/comparisons/{newest['id']}")  # with its progress
            shown = self._going.comparison
            mine = running or newest["id"] in self._begun
            # What was told while it came is newer.
            if told == self._told and (mine or (shown and shown["id"] == newest["id"])):
                self.compared(newest)
        told = self._told
        known = await box.get_known("/shadow")
        if told == self._told:
            self._shadow_is(known["current"] if known else None)

    def compared(self, comparison: Mapping[str, Any]) -> None:
        """A comparison as it is now."""
        self._told += 1
        self._going.compare(comparison)
        if comparison["state"] == "running":
            return
        asked = self._begun.pop(comparison["id"], None)
        if asked is None or self._page.app.screen is not self._page:
            return  # somebody else's, or the person is busy with a dialog: w shows it
        if comparison["state"] == "refused" or comparison["purpose"] == "compare":
            self._page.start(self._report, comparison["id"], asked, group="report")
        elif comparison["state"] == "failed":
            words = ended_words(comparison)
            self._page.notify(words, severity="error", timeout=10, markup=False)

    def shadowed(self, shadow: Mapping[str, Any]) -> None:
        """The shadow as it is now; one that has ended goes from the screen."""
        current = shadow if shadow["state"] == "running" else None
        shown = self._going.shadow
        if current is None and shown is not None and shown["id"] != shadow["id"]:
            return  # an earlier one
        self._told += 1
        self._shadow_is(current)

    def _shadow_is(self, current: Mapping[str, Any] | None) -> None:
        self._going.listen_silently(current)
        self._page.query_one(VersionRows).shadow(current["version"] if current else "")

    # --- deploying -----------------------------------------------------------------------------

    async def deploy(self, name: str, **more: Any) -> None:
        """more: further fields of the request, such as `force`."""
        question = f"Deploy {name} with which precision?"
        precision = await self._page.app.push_screen_wait(Choose(question, PRECISIONS))
        if precision is not None:
            await self._go({"version": name, "precision": precision, **more})

    async def _go(self, body: dict[str, Any]) -> None:
        try:
            made = await self._page.box.post("/deployments", {**body, "wait_s": 0})
        except ClientError as error:
            if not str(error.problem.get("type", "")).endswith(":regression"):
                raise
            newest = (await self._page.box.get("/comparisons", limit=1))["items"]
            await self._report(newest[0]["id"], body)
            return
        if "candidate" in made:
            self._begun[made["id"]] = body
            self.compared(made)

    async def against(self, live: str, candidate: str) -> None:
        """Hear two versions against each other; nothing is deployed."""
        body = {"live": live, "candidate": candidate}
        made = await self._page.box.post("/comparisons", body)
        self._begun[made["id"]] = {"version": candidate}
        self.compared(made)

    async def stop(self) -> None:
        """End the engine that is built, or else the comparison that runs."""
        running, engine = self._going.comparison, self._going.engine
        if engine is not None and engine["state"] == "building":
            # A comparison that it was built for ends with it.
            self._going.build(await self._page.box.post("/deployments/cancel"))
        elif running is not None and running["state"] == "running":
            self.compared(await self._page.box.post(f"/comparisons/{running['id']}/cancel"))
        else:
            self._page.notify("No version is being heard or compiled.", timeout=3)

    async def roll_back(self) -> None:
        question = Confirm("Let the version before listen again?", yes="Roll back")
        if await self._page.app.push_screen_wait(question):
            await self._page.box.call(
                lambda client: client.post("/deployments/rollback", timeout_s=LONGEST_S)
            )

    # --- the report ----------------------------------------------------------------------------

    async def why(self, name: str) -> None:
        """The newest report on version `name`, or the newest of all."""
        items = (await self._page.box.get("/comparisons", limit=50))["items"]
        ended = [one for one in items if one["state"] != "running"]
        own = [one for one in ended if one["candidate"] == name]
        if not ended:
            self._page.notify("No version was heard against another yet.", timeout=3)
        else:
            newest = (own or ended)[0]
            await self._report(newest["id"], {"version": newest["candidate"]})

    async def _report(self, identifier: int, asked: dict[str, Any]) -> None:
        """Show it; what follows: nothing, the same deployment by force, or a clip of an event."""
        comparison = await self._page.box.get(f"/comparisons/{identifier}")
        deployable = comparison["state"] == "refused"
        actions = {FORCE: "Deploy it all the same"} if deployable else {}
        title = f"{safe(comparison['candidate'])} against {safe(comparison['live'] or 'nothing')}"
        events = comparison["report"].get("gained_count") or comparison["report"].get("lost_count")
        opens = "Enter on an event: its sound becomes a clip, on the Label screen" if events else ""
        rows = partial(report_rows, comparison)
        shown = Facts(f"{title}: {comparison['state']}", rows, actions, opens=opens)
        answer = await self._page.ask(shown)
        if answer == FORCE:
            if "precision" in asked:
                await self._go({**asked, "force": True})
            else:
                await self.deploy(comparison["candidate"], force=True)
        elif isinstance(answer, dict):
            await self._cut(answer)

    async def _cut(self, event: Mapping[str, Any]) -> None:
        """The sound of an event of the history as a clip, shown on Label."""
        first, last = stretch(event)
        body = {"microphone": event["microphone"], "minute": event["minute"]}
        clip = await self._page.box.post("/history/cut", {**body, "start_s": first, "end_s": last})
        self._page.earmark.open_clips({"clips": [clip["id"]]})

    # --- the shadow ----------------------------------------------------------------------------

    async def shadow(self, name: str) -> None:
        """Begin one with version `name`; while one runs, show it."""
        current = (await self._page.box.get("/shadow"))["current"]
        if current is not None:
            await self._show_shadow(current)
        else:
            question = f"{name} listens silently beside what is deployed. Which precision?"
            precision = await self._page.ask(Choose(question, PRECISIONS))
            if precision is not None:
                body = {"version": name, "precision": precision}
                begun = await self._page.box.call(
                    lambda client: client.post("/shadow", body, timeout_s=LONGEST_S)
                )
                self.shadowed(begun)

    async def _show_shadow(self, shadow: dict[str, Any]) -> None:
        name = shadow["version"]
        actions = {END: "End it", DEPLOY: f"Deploy {name}"}
        if shadow["disagreements"]:
            actions[SHOW] = "Disagreements"
        shown = Facts(f"{name} listens silently", partial(shadow_rows, shadow), actions)
        answer = await self._page.ask(shown)
        if answer == END:
            ended = await self._page.box.delete("/shadow")
            self._page.notify(f"{ended['version']} listens no more.", timeout=4, markup=False)
            self.shadowed(ended)
        elif answer == DEPLOY:
            await self._go({"version": name, "precision": shadow["precision"]})
        elif answer == SHOW:
            path = f"/shadow/{shadow['id']}/disagreements"
            sounds = (await self._page.box.get(path))["items"]
            clips = [sound["clip"] for sound in sounds if sound["clip"] is not None]
            self._page.earmark.open_clips({"clips": clips})
