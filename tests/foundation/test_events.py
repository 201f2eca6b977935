"""The event bus."""

from __future__ import annotations

import logging

import pytest

from appliance.events import EventBus


def test_a_client_that_lost_its_line_gets_what_it_missed(bus: EventBus) -> None:
    first = bus.publish("job", {"id": 1})
    bus.publish("hearing", {})
    last = bus.publish("clip", {"clips": [1]})
    assert [event.topic for event in bus.since(first.id)] == ["clip"]
    assert bus.since(last.id) == []


def test_one_failing_subscriber_does_not_rob_the_others(
    bus: EventBus, caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    def broken(_event: object) -> None:
        raise RuntimeError("broken")

    bus.subscribe(broken)
    unsubscribe = bus.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        bus.publish("job", {})
    unsubscribe()
    bus.publish("job", {})
    assert len(heard) == 1
    assert "a subscriber failed on job" in caplog.text


def test_an_unknown_topic_is_a_mistake(bus: EventBus) -> None:
    with pytest.raises(ValueError, match="unknown topic"):
        bus.publish("jobs", {})
