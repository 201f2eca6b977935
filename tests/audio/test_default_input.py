"""The sound server's default input, while that server answers, hangs, and answers again."""

from __future__ import annotations

import threading

from appliance.audio.default_input import DefaultInput
from appliance.audio.devices import Device
from tests.waiting import until


def device(name: str) -> Device:
    return Device("default", name, None, None, "", None, None, 0, (48_000,), name)


class Server:
    """A sound server that can be held up."""

    def __init__(self) -> None:
        self.default: Device | None = device("first")
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.gave_up = False
        self.asked = 0

    def ask(self) -> Device | None:
        self.asked += 1
        assert self.goes_on.wait(60)
        if self.gave_up:
            raise TimeoutError("it hangs")
        return self.default


def test_a_server_that_hangs_is_answered_for_with_what_it_said_last() -> None:
    server = Server()
    server.goes_on.clear()
    found = DefaultInput(server.ask, patience_s=0.5)
    assert found.look() == (
        None,
        "the sound server does not answer: its default input is not known",
    )
    found.look()
    assert server.asked == 1, "the one that hangs is waited for"
    server.goes_on.set()
    until(lambda: found.look() == (device("first"), ""), "it answers")

    server.goes_on.clear()
    server.gave_up = True
    last, why = found.look()
    assert last == device("first")
    assert "its default input is as it was " in why
    server.goes_on.set()
    asked = server.asked
    for _ in range(3):  # given up each time
        last, why = found.look()
        assert (last, why[:17]) == (device("first"), "the sound server ")
    assert server.asked > asked

    server.gave_up, server.default = False, None
    until(lambda: found.look() == (None, ""), "it answers, and has none any more")
