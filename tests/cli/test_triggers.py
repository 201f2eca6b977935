"""How a trigger is shown: on with nothing but defaults is on."""

from __future__ import annotations

import pytest

from appliance.cli.triggers import _trigger_row


@pytest.mark.parametrize(("trigger", "shown"), [(None, "off"), ({}, "on"), ({"rise_db": 9}, "on")])
def test_a_trigger_without_settings_of_its_own_is_on(trigger: object, shown: str) -> None:
    assert _trigger_row({"name": "kitchen", "trigger": trigger})[1] == shown
