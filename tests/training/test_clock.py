"""The budget counts from the start of the process and leaves pauses out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from appliance import clock
from appliance.training.clock import BudgetClock, process_start_s

CHILD = """
import sys, time
from appliance.training.clock import BudgetClock
budget = BudgetClock(100.0, 40.0)
budget.install()
print("ready", flush=True)
while not budget.cancelled:
    budget.tick()
    time.sleep(0.01)
print(budget.elapsed_s, budget.paused_s, flush=True)
"""


def test_earlier_attempts_count() -> None:
    budget = BudgetClock(100.0, used_s=30.0, started_s=clock.seconds() - 5.0)
    assert 35.0 <= budget.elapsed_s < 36.0
    assert 64.0 < budget.remaining_s <= 65.0


def test_a_process_knows_when_it_started() -> None:
    assert 0 <= clock.seconds() - process_start_s() < 3600 * 24
    code = (
        "from appliance import clock; from appliance.training.clock import process_start_s as s;"
        "print(clock.seconds() - s())"
    )
    before = clock.seconds()
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    # The kernel counts in hundredths.
    assert 0 <= float(child.stdout) <= clock.seconds() - before + 0.02


def test_a_pause_costs_nothing_and_terminate_is_heard() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    stopped = clock.seconds()
    time.sleep(1.5)
    pause = clock.seconds() - stopped
    os.kill(child.pid, signal.SIGCONT)
    time.sleep(0.1)
    child.terminate()
    elapsed, paused = map(float, child.communicate(timeout=30)[0].split())
    assert paused >= pause
    assert elapsed > 40.0
    assert child.returncode == 0
