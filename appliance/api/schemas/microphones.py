"""Bodies about microphones and what is recorded from them."""

from __future__ import annotations

from pydantic import Field

from appliance.api.schemas.base import Body, Page, example
from appliance.audio.devices import Device


class DeviceList(Page[Device]):
    """`problem`: why "default" is missing or as it was earlier, and `advice` what to do; both empty
    when the sound server answered."""

    problem: str
    advice: str


class NewMicrophone(Body):
    """A source of audio: a device's id from /microphones/available, or `replay:PATH`."""

    model_config = example(
        {"source": "usb-1.2-UMIK", "name": "workshop", "gain_db": 6.0, "channel": 0}
    )

    source: str = Field(min_length=1, max_length=1024)
    name: str | None = Field(None, max_length=200)
    gain_db: float = Field(0.0, ge=-60, le=60, allow_inf_nan=False)
    channel: int | None = Field(None, ge=0, le=63, description="null mixes all channels")
    listen: bool = Field(True, description="whether the deployment listens to it")
    enabled: bool = Field(True, description="whether it is opened at all")


class MicrophoneChange(Body):
    """Only what is given changes."""

    model_config = example({"gain_db": 12.0, "listen": False})

    name: str | None = Field(None, min_length=1, max_length=200)
    gain_db: float | None = Field(None, ge=-60, le=60, allow_inf_nan=False)
    channel: int | None = Field(None, ge=0, le=63, description="null mixes all channels")
    listen: bool | None = None
    enabled: bool | None = None


class TriggerBody(Body):
    """When the box records by itself; what is left out is as in the settings."""

    model_config = example({"rise_db": 12.0, "preroll_s": 0.5, "postroll_s": 0.7})

    rise_db: float | None = Field(None, ge=1, le=60, allow_inf_nan=False)
    preroll_s: float | None = Field(None, ge=0, le=30, allow_inf_nan=False)
    postroll_s: float | None = Field(None, ge=0.1, le=30, allow_inf_nan=False)
    max_s: float | None = Field(None, ge=1, le=60, allow_inf_nan=False)
    max_per_hour: int | None = Field(None, ge=1, le=100_000)


class NewRecording(Body):
    """Record from these microphones, for so long or until it is stopped."""

    model_config = example({"microphones": ["workshop"], "seconds": 10, "label": "drill"})

    microphones: list[str] = Field(min_length=1, max_length=32, description="ids or names")
    seconds: float | None = Field(None, gt=0, le=86_400, allow_inf_nan=False)
    label: str | None = Field(None, max_length=200)
    pre_roll_s: float = Field(0.0, ge=0, le=30, allow_inf_nan=False)


class NewBackground(Body):
    """So many short recordings, spread over a time."""

    model_config = example(
        {
            "microphone": "workshop",
            "samples": 20,
            "over_s": 3600,
            "seconds": 5,
            "label": "background",
        }
    )

    microphone: str = Field(max_length=1024, description="an id or a name")
    samples: int = Field(ge=1, le=1000)
    over_s: float = Field(ge=0, le=7 * 86_400, allow_inf_nan=False)
    seconds: float = Field(5.0, gt=0, le=60, allow_inf_nan=False)
    label: str | None = Field(None, max_length=200)


class NewSchedule(Body):
    """A recording at the same local time each day."""

    model_config = example({"microphone": "workshop", "at": "06:30", "seconds": 60})

    microphone: str = Field(max_length=1024, description="an id or a name")
    at: str = Field(max_length=20, description="HH:MM")
    seconds: float = Field(gt=0, le=86_400, allow_inf_nan=False)
    label: str | None = Field(None, max_length=200)
