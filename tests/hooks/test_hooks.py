"""The owner's hooks: real programs, run when something happens, that can do the daemon no harm."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.hooks.folder import find_hooks
from appliance.hooks.happening import KINDS, Happening, Translator, example
from appliance.hooks.hooks import Hooks
from appliance.hooks.running import OUTPUT_BYTES, run_hook
from appliance.paths import DataFolder
from appliance.settings import HooksSettings
from tests.waiting import process_state, until

QUICK = HooksSettings(timeout_s=1, waiting=5)


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def hooks(folder: DataFolder, bus: EventBus) -> Iterator[Hooks]:
    made = Hooks(folder, QUICK, bus)
    made.start()
    yield made
    made.stop()


# --- what a hook is told -------------------------------------------------------------------------


def job(identifier: int, state: str) -> dict[str, Any]:
    return {"id": identifier, "state": state, "reason": None}


def microphone(state: str, what: str = "state") -> dict[str, Any]:
    return {"what": what, "microphone": {"id": "m", "name": "yard", "status": {"state": state}}}


def test_hooks_hear_of_what_matters_and_of_each_thing_once(
    hooks: Hooks, folder: DataFolder, bus: EventBus
) -> None:
    script(folder.hooks / "all.sh", f'cat >> "{folder.root}/all"')
    script(folder.hooks / "job-ended" / "one.sh", f'cat >> "{folder.root}/ended"')
    detection = {"id": 7, "label": "dog", "score": 0.9}
    for topic, data in (
        ("detection", {"what": "new", "detection": detection}),
        ("detection", {"what": "clip", "detection": detection}),
        ("job", job(1, "running")),
        ("job", job(1, "completed")),
        ("job", job(1, "completed")),
        ("deployment", {"version": "V001", "state": "rejected", "problem": ""}),
        ("deployment", {"version": "V001", "state": "live", "problem": "no such file"}),
        ("deployment", {"version": "V001", "state": "live", "problem": ""}),
        ("hearing", {"microphones": {}}),
        ("microphone", microphone("running")),
        ("microphone", microphone("missing")),
        ("microphone", microphone("failed")),
        ("microphone", microphone("running")),
        ("microphone", microphone("missing")),
    ):
        bus.publish(topic, data)
        # One at a time: several hooks run at once, in any order.
        until(lambda: hooks.state().waiting == 0, "its turn")

    def told() -> list[dict[str, Any]]:
        text = (folder.root / "all").read_text() if (folder.root / "all").exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    until(lambda: len(told()) == 6, "six happenings")
    assert sorted(line["event"] for line in told()) == [
        "deployed",
        "detection",
        "job-ended",
        "microphone-back",
        "microphone-lost",
        "microphone-lost",
    ]
    (heard,) = [line for line in told() if line["event"] == "detection"]
    assert heard["detection"] == detection
    until(
        lambda: (folder.root / "ended").exists() and (folder.root / "ended").read_text(),
        "the hook for jobs alone",
    )
    (ended,) = (folder.root / "ended").read_text().splitlines()
    assert json.loads(ended)["job"]["id"] == 1
    views = {view.name: view for view in hooks.state().hooks}
    until(lambda: hooks.state().hooks[0].runs == 6, "six runs")
    assert views["job-ended/one.sh"].events == ["job-ended"]


def test_low_space_is_told_once_until_it_has_come_back(bus: EventBus) -> None:
    translator = Translator()
    told = []
    for level in ("low", "short", "low", "critical", "ok", "full"):
        happening = translator.push(bus.publish("space", {"level": level, "free": 1}))
        told.append(happening and happening.told()["disk"]["level"])
    assert told == ["low", None, None, None, None, "full"]


# --- which are run -------------------------------------------------------------------------------


def test_what_others_could_change_or_is_no_program_is_refused(
    hooks: Hooks, folder: DataFolder
) -> None:
    made = folder.hooks
    script(made / "good.sh", "true")
    script(made / "open.sh", "true", 0o777)
    script(made / "plain.txt", "true", 0o644)
    script(made / ".hidden", "true")
    script(made / "good.sh~", "true")
    script(made / "README.md", "true")
    (made / "gone").symlink_to(made / "nowhere")
    (made / "link.sh").symlink_to(made / "open.sh")
    os.mkfifo(made / "pipe")
    script(made / "detection" / "good.sh", "true")
    (made / "detection").chmod(0o777)
    found = {hook.name: hook.problem for hook in find_hooks(made)}
    assert found == {
        "good.sh": "",
        "open.sh": "everybody may change it: chmod o-w",
        "link.sh": "everybody may change it: chmod o-w",
        "plain.txt": "it is not executable: chmod +x",
        "gone": "No such file or directory",
        "pipe": "it is no ordinary file",
        "detection/good.sh": "everybody may change its folder: chmod o-w",
    }
    with pytest.raises(Conflict, match=r"open\.sh is not run"):
        hooks.test("open.sh")
    for name in ("nobody.sh", "../good.sh", "/bin/true"):
        with pytest.raises(NotFound):
            hooks.test(name)
    with pytest.raises(InvalidInput, match="no event"):
        hooks.test("good.sh", "doorbell")
    assert find_hooks(folder.root / "no hooks") == []


def test_every_event_can_be_tried(hooks: Hooks, folder: DataFolder) -> None:
    script(folder.hooks / "show.sh", 'echo "$EARMARK_EVENT"; cat')
    for kind in KINDS:
        view, run = hooks.test("show.sh", kind)
        first, told = run.output.splitlines()
        assert (run.status, first) == (0, kind)
        assert json.loads(told)["event"] == kind
        assert json.loads(told)["test"] is True
    assert (view.runs, view.failures, view.last_event) == (len(KINDS), 0, KINDS[-1])


# --- and what they can do ------------------------------------------------------------------------


def test_a_hook_is_humble_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_TOKEN", "secret")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    hook = script(tmp_path / "show.sh", "nice; env; ls /proc/self/fd | wc -l")
    output = run_hook(hook, example("detection"), timeout_s=20).output
    assert output.splitlines()[0] == "19"
    assert "secret" not in output
    assert "NOTIFY_SOCKET" not in output
    assert "EARMARK_EVENT=detection" in output


def test_one_that_hangs_or_floods_or_leaves_children_behind_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hanging = script(
        tmp_path / "hang.sh", f"trap '' TERM\necho $$ > {pids}\nsleep 1000 &\nsleep 1000"
    )
    run = run_hook(hanging, example("detection"), timeout_s=0.5)
    assert (run.status, run.problem) == (None, "it was ended after 0.5 s, its time limit")
    assert process_state(int(pids.read_text())) == ""
    flood = script(tmp_path / "flood.sh", "yes")
    run = run_hook(flood, example("detection"), timeout_s=0.5)
    assert run.status is None
    assert len(run.output) <= OUTPUT_BYTES
    child = tmp_path / "child"
    leaving = script(tmp_path / "leave.sh", f"sleep 1000 & echo $! > {child}; echo done")
    run = run_hook(leaving, example("detection"), timeout_s=20)
    assert (run.status, run.output) == (0, "done")
    until(lambda: process_state(int(child.read_text())) in ("", "Z"), "its child to go")
    blind = script(tmp_path / "blind.sh", "exec 0<&-; exit 3")
    huge = Happening("detection", 0.0, {"text": "x" * 1_000_000})
    assert run_hook(blind, huge, timeout_s=20).problem == "exit status 3"
    broken = script(tmp_path / "broken.sh", "true")
    broken.write_text("#!/no/such/interpreter\n")
    assert not run_hook(broken, example("detection"), timeout_s=20).ok


def test_slow_hooks_block_nobody_and_what_is_too_much_is_dropped_and_counted(
    hooks: Hooks, folder: DataFolder, bus: EventBus
) -> None:
    script(folder.hooks / "slow.sh", "sleep 1000")
    publishing = threading.Thread(
        target=lambda: [bus.publish("job", job(n, "failed")) for n in range(50)]
    )
    publishing.start()
    publishing.join(10)
    assert not publishing.is_alive(), "the publisher waits for a hook"
    state = hooks.state()
    assert state.waiting <= QUICK.waiting
    until(lambda: hooks.state().hooks[0].failures >= 2, "the time limit")
    assert state.dropped >= 50 - QUICK.waiting - QUICK.parallel - 1
    assert "time limit" in asdict(hooks.state().hooks[0])["last_problem"]
