"""Work that comes again and again: its turns, its waits, and its end."""

from __future__ import annotations

import os
import queue
import threading

import pytest

from appliance.periodic import Periodic

SOON_S = 30.0
"""Longer than any machine needs; nothing waits for so long."""


def test_turns_come_again_after_one_that_failed_and_end_with_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: queue.Queue[str] = queue.Queue()

    def turn() -> None:
        turns.put(threading.current_thread().name)
        if turns.qsize() == 1:
            raise ValueError("out of the blue")

    work = Periodic("mower", turn, 0.001)
    work.stop()  # it was never started
    work.start()
    assert [turns.get(timeout=SOON_S) for _ in range(3)] == 3 * ["mower"]
    work.stop()
    assert work.stopping()
    while not turns.empty():
        turns.get()
    assert "mower: a turn failed" in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name == "mower"]
    # And once more.
    work.start()
    assert turns.get(timeout=SOON_S) == "mower"
    work.stop()


def test_it_waits_as_long_as_it_is_told_or_until_it_is_woken() -> None:
    turns: queue.Queue[None] = queue.Queue()
    waits = iter((0.001, None, 3600.0))
    work = Periodic("guest", lambda: turns.put(None), lambda: next(waits), first_s=3600.0)
    work.start()
    work.wake()
    for _ in range(2):
        turns.get(timeout=SOON_S)
    work.wake()
    turns.get(timeout=SOON_S)
    with pytest.raises(queue.Empty):
        turns.get(timeout=0.05)
    work.stop()
    assert turns.empty(), "the end is no turn"


def test_the_first_wait_comes_after_every_start_however_it_was_stopped_before() -> None:
    turns: queue.Queue[bool] = queue.Queue()
    work = Periodic("late", lambda: turns.put(work.rest(3600.0)), 3600.0, first_s=3600.0)
    work.stop()  # before its first start
    work.start()
    with pytest.raises(queue.Empty):
        turns.get(timeout=0.05)
    work.wake()
    work.stop()  # before its turn, or within it
    work.start()
    while not turns.empty():
        turns.get()
    with pytest.raises(queue.Empty):
        turns.get(timeout=0.05)
    work.stop()
    assert turns.empty()


def test_a_turn_that_rests_ends_early_and_the_thread_is_as_nice_as_it_was_asked() -> None:
    seen: queue.Queue[object] = queue.Queue()

    def turn() -> None:
        seen.put(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        seen.put(work.rest(3600.0))

    work = Periodic("sleeper", turn, 3600.0, nice=7)
    work.start()
    assert seen.get(timeout=SOON_S) == 7
    work.stop()
    assert seen.get(timeout=SOON_S) is True


def test_a_turn_that_dozes_is_woken_and_then_ended() -> None:
    seen: queue.Queue[bool] = queue.Queue()
    dozing = threading.Event()

    def turn() -> None:
        for _ in range(2):
            dozing.set()
            seen.put(work.doze(3600.0))

    work = Periodic("cat", turn, 3600.0)
    work.start()
    dozing.wait(SOON_S)
    work.wake()
    assert seen.get(timeout=SOON_S) is False
    # Its wake-up is used up within the turn; the thread ends all the same.
    ending = threading.Thread(target=work.stop)
    ending.start()
    assert seen.get(timeout=SOON_S) is True
    ending.join(SOON_S)
    assert not ending.is_alive()
