"""The children that decode: limited, replaced when they die, gone when the daemon is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import soundfile

from appliance.audio.decode import Decoder
from appliance.audio.decode_child import MEMORY_BYTES, OPEN_FILES
from appliance.errors import DecodeError, Unavailable
from tests.bad_files import tone
from tests.waiting import PATIENCE_S, process_state, until


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(1), 16_000)
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def idle_pids(decoder: Decoder) -> list[int]:
    """Of the children that wait for a file."""
    return [worker.process.pid for worker in tuple(decoder._idle)]


def ask_while_stopped(decoder: Decoder, sound: Path, out: Path, then: list[int]) -> object:
    """Give a file to a child that is stopped, send it the signals `then`; the outcome."""
    (pid,) = idle_pids(decoder)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: process_state(pid) == "T", "the child does not stop")
    outcome: list[object] = []

    def ask() -> None:
        try:
            outcome.append(decoder.to_flac(sound, out))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    # The request is sent when the child is no longer idle.
    until(lambda: pid not in idle_pids(decoder), "the child is not asked")
    for number in then:
        os.kill(pid, number)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    until(lambda: process_state(pid) == "", "the dead child was not reaped")
    return outcome[0]


def test_a_child_killed_while_idle_is_replaced(sound: Path, out: Path) -> None:
    decoder = Decoder(1)
    decoder.start()
    try:
        decoder.to_flac(sound, out)
        (pid,) = idle_pids(decoder)
        os.kill(pid, signal.SIGKILL)
        until(lambda: process_state(pid) == "Z", "the child does not die")
        assert len(decoder.to_flac(sound, out)) == 1
        assert idle_pids(decoder) != [pid]
    finally:
        decoder.close()


def test_a_file_is_tried_once_more_when_its_child_was_killed_from_outside(
    sound: Path, out: Path
) -> None:
    decoder = Decoder(1)
    decoder.start()
    try:
        outcome = ask_while_stopped(decoder, sound, out, [signal.SIGKILL])
        assert isinstance(outcome, list)
        assert len(outcome) == 1
    finally:
        decoder.close()


def test_a_file_that_crashes_its_child_is_named_and_the_next_one_goes_on(
    sound: Path, out: Path
) -> None:
    decoder = Decoder(1)
    decoder.start()
    try:
        outcome = ask_while_stopped(decoder, sound, out, [signal.SIGSEGV, signal.SIGCONT])
        assert isinstance(outcome, DecodeError)
        assert "crashed the decoder (SIGSEGV)" in outcome.message
        assert list(out.iterdir()) == []
        assert len(decoder.to_flac(sound, out)) == 1
    finally:
        decoder.close()


def test_a_file_that_takes_for_ever_is_named(sound: Path, out: Path) -> None:
    decoder = Decoder(1)
    decoder.start()
    try:
        outcome = ask_while_stopped(decoder, sound, out, [signal.SIGXCPU, signal.SIGCONT])
        assert isinstance(outcome, DecodeError)
        assert "processor time" in outcome.message
    finally:
        decoder.close()


def test_a_child_that_hangs_is_replaced(sound: Path, out: Path) -> None:
    decoder = Decoder(1, silence_limit_s=0.5)
    decoder.start()
    try:
        outcome = ask_while_stopped(decoder, sound, out, [])
        assert isinstance(outcome, DecodeError)
        assert "did not move" in outcome.message
    finally:
        decoder.close()


def test_the_limits_hold_in_the_child(sound: Path, out: Path) -> None:
    decoder = Decoder(1)
    try:
        decoder.to_flac(sound, out)
        (pid,) = idle_pids(decoder)
        limits = Path(f"/proc/{pid}/limits").read_text()
    finally:
        decoder.close()
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
    assert int(soft["Max address space"]) < 1 << 30
    assert int(soft["Max open files"]) == OPEN_FILES
    assert 10 <= int(soft["Max cpu time"]) < 60
    assert int(soft["Max file size"]) < 1 << 30
    assert int(soft["Max core file size"]) == 0


def test_memory_ends_at_its_limit() -> None:
    code = (
        "from appliance.audio import decode_work, decode_child\n"
        "decode_child.limit_process()\n"
        f"bytearray({MEMORY_BYTES} // 2)\n"
        f"try: bytearray({MEMORY_BYTES} * 2)\n"
        "except MemoryError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"


def test_processor_time_ends_at_its_limit() -> None:
    code = "from appliance.audio import decode_child\ndecode_child.limit_time(0)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGXCPU


def test_the_children_end_with_the_daemon() -> None:
    code = (
        "import time\n"
        "from appliance.audio.decode import Decoder\n"
        "decoder = Decoder(2)\n"
        "decoder.start()\n"
        "print(*(worker.process.pid for worker in decoder._idle), flush=True)\n"
        "time.sleep(600)\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    with daemon, daemon.stdout:
        pids = [int(word) for word in daemon.stdout.readline().split()]
        assert len(pids) == 2
        assert all(process_state(pid) for pid in pids)
        daemon.kill()
        daemon.wait()
    for pid in pids:
        until(lambda pid=pid: process_state(pid) in ("", "Z"), "a child outlives the daemon")


def test_a_closed_decoder_says_so(sound: Path, out: Path) -> None:
    decoder = Decoder(2)
    decoder.start()
    pids = idle_pids(decoder)
    decoder.close()
    with pytest.raises(Unavailable):
        decoder.to_flac(sound, out)
    assert all(process_state(pid) == "" for pid in pids)


def test_closing_breaks_off_what_is_under_way(sound: Path, out: Path) -> None:
    decoder = Decoder(1)
    decoder.start()
    (pid,) = idle_pids(decoder)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: process_state(pid) == "T", "the child does not stop")
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(decoder.to_flac, sound, out) for _ in range(2)]
        until(lambda: pid not in idle_pids(decoder), "the child is not asked")
        decoder.close()
        for one in asked:
            assert isinstance(one.exception(PATIENCE_S), Unavailable)
    assert process_state(pid) == ""
