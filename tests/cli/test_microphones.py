"""Recording, and what microphones gather by themselves, by command, from real sound."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import until
from tests.cli.shell import Shell

pytestmark = pytest.mark.slow


@pytest.fixture
def microphone(shell: Shell, sounds: Path) -> Iterator[str]:
    """Dogs, for ever."""
    added = shell.json(
        "devices", "add", f"replay:{sounds / 'rooster'}?loop=1", "--name", "yard", "--no-listen"
    )
    until(
        lambda: shell.json("devices")["microphones"][0]["status"]["state"] == "running",
        "the microphone runs",
    )
    yield added["name"]
    assert shell("devices", "remove", "yard", "--yes").status == 0


def test_recording_until_told_to_stop(shell: Shell, microphone: str) -> None:
    done = shell.json("record", "1s", "--label", "rooster")
    (recording,) = done["items"]
    assert recording["state"] == "stored"
    clip = shell.json("clips", "show", recording["clips"][0])
    assert clip["duration_s"] == pytest.approx(1.0, abs=0.05)
    assert (clip["label"], clip["source"]) == ("rooster", "recording")

    def recording_now() -> bool:
        page = shell.api.get("/recordings")["items"]
        return any(one["state"] == "recording" and one["elapsed_s"] > 0.5 for one in page)

    for sent, words, status in (
        (signal.SIGINT, ["record", "--mic", "yard"], 0),
        (signal.SIGINT, ["record", "600", "--mic", "yard"], 130),
        (signal.SIGTERM, ["record", "--mic", "yard"], 0),
        (signal.SIGHUP, ["record", "--mic", "yard"], 0),
    ):
        process = shell.start(*words)
        until(recording_now, "it records")
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, err
        assert "Traceback" not in err
        assert "yard: " in out
        assert "1 clip: " in out
        assert not recording_now()
    assert shell("record", "1", "--mic", "cellar").status == 1


def test_microphones_and_what_they_gather(shell: Shell, microphone: str) -> None:
    changed = shell.json("devices", "set", "yard", "--gain", "6", "--channel", "0")
    assert (changed["gain_db"], changed["channel"]) == (6.0, 0)
    said = shell("devices", "set", "yard", "--channel", "5").out
    assert "yard: it has only channel 0, no channel 5: all of it is used" in said
    assert "yard: it has only channel 0" in shell("devices").out
    assert shell.json("devices", "set", "yard", "--channel", "mix")["channel"] is None
    assert "only channel 0" not in shell("devices").out
    assert shell("devices", "set", "yard", "--gain", "600").status == 2
    assert "yard" in shell("devices").out
    on = shell.json("devices", "trigger", "yard", "on", "--rise", "15", "--longest", "5s")
    assert on["trigger"]["rise_db"] == 15
    on = shell.json("triggers", "on", "yard", "--post-roll", "2")
    assert (on["trigger"]["rise_db"], on["trigger"]["postroll_s"]) == (15, 2)
    assert "15 dB" in shell("triggers").out
    assert shell.json("triggers", "off", "yard")["trigger"] is None
    made = shell.json("schedule", "add", "yard", "06:30", "1m", "--label", "rooster")
    assert "06:30" in shell("schedule").out
    assert shell("schedule", "add", "yard", "26:30", "1m").status == 1
    assert shell.json("schedule", "remove", made["id"], "--yes") == {"removed": made["id"]}
    begun = shell.json("background", "start", "yard", "--samples", "3", "--over", "1h")
    assert begun["label"] == "background"
    assert "0 of 3 samples" in shell("background").out
    assert shell("background", "stop", begun["id"]).status == 0
    assert shell("devices", "add", "replay:/no/such/file", "--name", "yard").status == 1
