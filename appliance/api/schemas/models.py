"""Bodies about jobs, versions, deployments and detections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.api.schemas.base import LARGEST_ID, Body, VersionName, example

_MINUTES = "maximum training duration in minutes, 6 to 6000"
_FLAVOR = "free stops after one hour; compute may use the whole maximum duration"


class NewJob(Body):
    """A training, as it goes into the queue."""

    model_config = example(
        {"max_minutes": 60, "flavor": "free", "idempotency_key": "7f3c0e52-press-of-the-button"}
    )

    # The queue itself refuses other minutes and flavors, in words for people.
    max_minutes: int = Field(
        60, description=_MINUTES, json_schema_extra={"minimum": 6, "maximum": 6000}
    )
    flavor: str = Field(
        "free",
        max_length=40,
        description=_FLAVOR,
        json_schema_extra={"enum": ["free", "compute"]},
    )
    dataset_version: str | None = Field(
        None, max_length=100, description="its name; null takes the suggested one"
    )
    from_version: VersionName | None = Field(None, description="begin with this version's weights")
    idempotency_key: str | None = Field(
        None, min_length=1, max_length=200, description="sent again, gives the same job again"
    )


class JobQuery(Body):
    """A training as it would be submitted."""

    max_minutes: int = Field(60, description=_MINUTES)
    flavor: str = Field("free", max_length=40, description=_FLAVOR)
    dataset_version: str | None = Field(None, max_length=100)
    from_version: VersionName | None = None


class Note(Body):
    """What a person wants to remember about a version."""

    model_config = example({"note": "with the new microphone in the barn"})

    note: str = Field(max_length=2000)


class NewDeployment(Body):
    """The version that shall listen."""

    model_config = example({"version": "V001", "precision": "fp32"})

    version: VersionName
    precision: str = Field(
        "fp32", max_length=20, json_schema_extra={"enum": ["fp32", "fp16", "int8"]}
    )
    force: bool = Field(False, description="deploy it although it is worse than what listens")
    wait_s: float = Field(
        60.0,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="answer 201 with the deployment when it is made by then, else 202",
    )


class NewShadow(Body):
    """The version that shall listen silently."""

    model_config = example({"version": "V002", "precision": "fp32"})

    version: VersionName
    precision: str = Field(
        "fp32", max_length=20, json_schema_extra={"enum": ["fp32", "fp16", "int8"]}
    )


class NewComparison(Body):
    """Two versions to be heard against each other."""

    model_config = example({"live": "V001", "candidate": "V002"})

    live: VersionName
    candidate: VersionName


class PredictResult(BaseModel):
    """What the deployment says about one file."""

    filename: str
    label: str | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    windows: list[dict[str, Any]] | None = None
    error: dict[str, Any] | None = None


class PredictAnswer(BaseModel):
    results: list[PredictResult]
    version: str


class DetectionQuery(Body):
    """Which detections, and which page of them."""

    label: str | None = Field(None, max_length=200)
    microphone: str | None = Field(None, max_length=1024, description="an id or a name")
    since: float | None = Field(None, description="epoch seconds", allow_inf_nan=False)
    until: float | None = Field(None, description="epoch seconds", allow_inf_nan=False)
    review: Literal["confirmed", "refuted", "none"] | None = None
    limit: int = Field(100, ge=1, le=500, description="items a page")
    cursor: str | None = Field(
        None, max_length=200, description="`next` of the page before this one"
    )


class ReviewMany(Body):
    """One judgement of many detections. With refuted and a label, those that had said that label
    are confirmed; null takes back."""

    model_config = example({"detections": [12, 15], "review": "confirmed"})

    detections: list[Annotated[int, Field(ge=1, le=LARGEST_ID)]] = Field(max_length=10_000)
    review: Literal["confirmed", "refuted"] | None
    label: str | None = Field(None, max_length=200)
    create: bool = Field(False, description="make the label if there is none of that name")


class RejectedQuery(Body):
    """Which of the candidates that were not reported."""

    microphone: str | None = Field(None, max_length=1024, description="an id or a name")
    label: str | None = Field(None, max_length=200)
    limit: int = Field(100, ge=1, le=1000, description="at most so many")


class RejectedCandidate(BaseModel):
    """A sound that came near a label's threshold and was not reported, and why."""

    at: float
    microphone: str
    label: str
    score: float
    reason: str
    version: str


class Review(Body):
    """Was it right? `label` says what it really was, and labels its clip; null takes back."""

    model_config = example({"review": "refuted", "label": "door"})

    review: Literal["confirmed", "refuted"] | None
    label: str | None = Field(None, max_length=200)
    create: bool = Field(False, description="make the label if there is none of that name")
