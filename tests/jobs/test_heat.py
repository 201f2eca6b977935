"""A training under heat, with the real queue and a real child."""

from __future__ import annotations

from appliance.hardware.heat import HeatWatch
from appliance.settings import BoardSettings
from firmware_hooks.sensors import FakeSensors
from tests.jobs.house import House


def test_heat_holds_a_training_and_the_job_says_why(house: House) -> None:
    house.behave(steps=40)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)
    sensors = FakeSensors(celsius={"tj": 93.0})
    watch = HeatWatch(BoardSettings(heat_pause_c=90), sensors, house.runner)
    watch.look()
    assert house.state(job.id, "paused").detail == "too hot (tj 93 °C); goes on at 80 °C"
    sensors.celsius["tj"] = 85.0
    watch.look()
    assert house.queue.get(job.id).state == "paused"
    sensors.celsius["tj"] = 79.0
    watch.look()
    assert house.end(job.id).state == "completed"
    assert "paused" in house.states(job.id)
