"""Losses that no driver reports: late is not lost, and lost is counted exactly."""

from __future__ import annotations

import numpy as np

from appliance.audio.frame_clock import FrameClock

RATE = 48_000
BLOCK = 4_800


class Driver:
    """A device that captures steadily and delivers blocks with some delay."""

    def __init__(self, seed: int = 0, drift_ppm: float = 0.0) -> None:
        self.clock = FrameClock(RATE)
        self.random = np.random.default_rng(seed)
        self.rate = RATE * (1 + drift_ppm / 1e6)
        self.captured = 0  # frames of the real world
        self.frame = 0  # frames by our count: delivered and reported as lost
        self.reported = 0
        self.not_before_ns = 0.0

    def run(self, seconds: float, stall_s: float = 0.0) -> None:
        """Blocks for `seconds`; none arrives during the first `stall_s`."""
        stalled_until = self.captured / self.rate * 1e9 + stall_s * 1e9
        for _ in range(round(seconds * RATE / BLOCK)):
            self.captured += BLOCK
            due = self.captured / self.rate * 1e9 + self.random.exponential(3e6)
            if self.random.random() < 0.02:
                due += 6e7  # the scheduler was busy elsewhere
            arrival = max(due, stalled_until, self.not_before_ns)
            self.not_before_ns = arrival + 1e5
            self.deliver(round(arrival))

    def deliver(self, arrival_ns: int, *, overflow: bool = False) -> None:
        lost = self.clock.arrived(self.frame + BLOCK, arrival_ns, overflow=overflow)
        self.reported += lost
        self.frame += BLOCK + lost

    def drop(self, seconds: float) -> None:
        """Sound that is captured and never delivered."""
        self.captured += round(seconds * RATE)


def test_jitter_alone_loses_nothing() -> None:
    for seed in range(5):
        driver = Driver(seed)
        driver.run(120)
        assert driver.reported == 0


def test_a_stall_that_is_delivered_late_and_in_a_rush_loses_nothing() -> None:
    for stall_s in (0.5, 1.5, 3.5):
        driver = Driver()
        driver.run(10)
        driver.run(20, stall_s=stall_s)
        assert driver.reported == 0


def test_a_silent_loss_is_found_within_seconds_and_counted_to_the_millisecond() -> None:
    for seed, missing_s in enumerate((0.15, 0.5, 2.0, 30.0)):
        driver = Driver(seed)
        driver.run(10)
        driver.drop(missing_s)
        driver.run(4)
        assert abs(driver.reported - missing_s * RATE) < 0.005 * RATE


def test_over_an_hour_the_count_follows_the_clock_whatever_the_crystal() -> None:
    for drift_ppm in (-150, 0, 150):
        driver = Driver(drift_ppm=drift_ppm)
        driver.run(1_800)
        for _ in range(10):
            driver.drop(1)
            driver.run(60)
        driver.run(1_200)
        assert abs(driver.reported - 10 * RATE) < 10 * 0.005 * RATE
        elapsed = driver.captured / driver.rate
        assert abs(driver.frame / driver.rate - elapsed) / elapsed < 100e-6


def test_an_overflow_is_counted_at_once() -> None:
    driver = Driver()
    driver.run(10)
    driver.drop(0.7)
    driver.captured += BLOCK
    driver.deliver(round(driver.captured / driver.rate * 1e9 + 1e6), overflow=True)
    assert abs(driver.reported - 0.7 * RATE) < 0.005 * RATE
    driver.run(20)
    assert abs(driver.reported - 0.7 * RATE) < 0.005 * RATE


def test_capture_times_are_smooth_under_jitter() -> None:
    driver = Driver()
    times = []
    for _ in range(300):
        driver.run(0.1)
        times.append(driver.clock.captured_ns(driver.frame - BLOCK))
    steps = np.diff(times[50:])
    assert np.all(np.abs(steps - 1e8) < 1e6)
