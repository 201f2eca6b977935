"""Jobs, versions and deployments over HTTP."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from PIL import Image

from appliance.client import Client, ClientError
from tests.api.conftest import Server, Sound, incoming
from tests.models import toy


def refusal(call: Callable[..., Any], *arguments: Any, **more: Any) -> ClientError:
    """The error of a call that must be refused, with advice."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **more)
    assert caught.value.advice, caught.value
    return caught.value


def teach(client: Client, sound: Sound, **clips: int) -> None:
    for label, count in clips.items():
        client.upload("/clips", [sound() for _ in range(count)], {"label": label})


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_result(tmp_path_factory.mktemp("toy") / "result")


@pytest.fixture
def trained(server: Server, result: Path) -> Callable[[], str]:
    """Each call publishes one more version; its name."""
    made = iter(range(100))

    def publish() -> str:
        copy = server.services.house.folder.jobs / f"made-{next(made)}" / "result"
        shutil.copytree(result, copy)
        return server.services.house.versions.publish(
            copy, job=None, dataset_version=None, parent=None, stopped="converged", seconds=1.0
        ).name

    return publish


def test_training_is_refused_with_every_reason(server: Server, sound: Sound) -> None:
    client = server.client()
    teach(client, sound, dog=3, cat=1)
    error = refusal(client.post, "/jobs", {"max_minutes": 60})
    assert error.status == 409
    assert error.reasons == ["cat: 1 of 5 clips", "dog: 3 of 5 clips"]
    shown = client.get("/jobs/specification")
    assert shown["readiness"]["reasons"] == error.reasons
    assert client.get("/readiness") == shown["readiness"]


@pytest.mark.parametrize("minutes", [5, 6001, 0, -1, 10**30, 7.5, "many", None])
def test_a_limit_outside_6_to_6000_minutes_is_refused(
    server: Server, sound: Sound, minutes: object
) -> None:
    client = server.client()
    error = refusal(client.post, "/jobs", {"max_minutes": minutes})
    assert error.status == 422
    assert client.get("/jobs")["items"] == []
    assert client.get("/dataset-versions")["items"] == []
    if minutes is not None:
        error = refusal(client.get, "/jobs/specification", max_minutes=minutes)
        assert error.status == 422


def test_the_advice_names_the_minutes_that_are_offered(server: Server) -> None:
    for minutes in (5, 6001):
        error = refusal(server.client().post, "/jobs", {"max_minutes": minutes})
        assert "6 to 6000" in error.advice


def test_a_misspelt_key_does_not_become_a_default(server: Server) -> None:
    error = refusal(server.client().post, "/jobs", {"max_minuts": 30})
    assert "max_minutes" in error.advice


def test_a_job_from_submission_to_cancel(server: Server, sound: Sound) -> None:
    client = server.client()
    teach(client, sound, dog=5, cat=5)
    shown = client.get("/jobs/specification", max_minutes=6, dataset_version="barn")
    assert (shown["dataset_version"], shown["position"]) == ("barn", 1)
    body = {"max_minutes": 6, "dataset_version": "barn", "idempotency_key": "once"}
    job = client.post("/jobs", body)
    assert (job["state"], job["author"], job["limit_s"]) == ("queued", "tester", 360.0)
    assert client.post("/jobs", body)["id"] == job["id"]
    second = client.post("/jobs", {"max_minutes": 6})
    assert second["position"] == 2
    assert [one["id"] for one in client.pages("/jobs", limit=1)] == [second["id"], job["id"]]
    manifest = client.get("/dataset-versions/barn")
    assert len(manifest["clips"]) == 10
    refused = refusal(client.delete, f"/clips/{manifest['clips'][0]['id']}")
    assert refused.status == 409
    cancelled = client.post(f"/jobs/{job['id']}/cancel")
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled")
    assert client.post(f"/jobs/{job['id']}/cancel") == cancelled
    assert client.get(f"/jobs/{job['id']}/progress")["items"] == []
    assert client.content(f"/jobs/{job['id']}/log") == b""


def test_what_does_not_exist_is_said_so(server: Server) -> None:
    client = server.client()
    for path in (
        "/jobs/1",
        "/jobs/1/progress",
        "/jobs/1/log",
        "/versions/V001",
        "/versions/V001/evaluation",
        "/versions/V001/confusion.png",
        "/versions/V001/export",
        "/dataset-versions/none",
        "/detections/1",
        "/recordings/1",
        "/background/1",
    ):
        with pytest.raises(ClientError) as caught:
            client.get(path)
        assert caught.value.status == 404, path
    assert refusal(client.post, "/deployments", {"version": "V001"}).status == 404
    assert refusal(client.post, "/deployments/rollback").status == 409
    assert incoming(server.services) == []


def test_a_version_with_its_figures_and_pictures(
    server: Server, trained: Callable[[], str]
) -> None:
    client, name = server.client(), trained()
    version = client.get(f"/versions/{name}")
    assert version["classes"] == toy.CLASSES
    evaluation = client.get(f"/versions/{name}/evaluation")
    assert evaluation["accuracy"] == version["accuracy"]
    assert client.get(f"/versions/{name}/card")["sample_rate"] == toy.RATE
    assert client.get(f"/versions/{name}/lineage")["version"] == name
    for picture in ("confusion.png", "curves.png"):
        content = client.content(f"/versions/{name}/{picture}")
        assert Image.open(io.BytesIO(content)).size[0] > 100
    assert client.patch(f"/versions/{name}", {"note": "good"})["note"] == "good"
    assert [one["name"] for one in client.pages("/versions")] == [name]
    client.delete(f"/versions/{name}")
    assert client.get("/versions")["items"] == []


def test_a_version_leaves_and_comes_in_as_one_file(
    server: Server, trained: Callable[[], str], tmp_path: Path
) -> None:
    client, name = server.client(), trained()
    file = client.download(f"/versions/{name}/export", tmp_path / "v.zip")
    assert incoming(server.services) == []
    version = client.upload("/versions/import", [file])
    assert (version["name"], version["source"]) == ("V002", "imported")
    for bad in (b"", b"not an archive", file.read_bytes()[:-100]):
        assert refusal(client.upload, "/versions/import", [("v.zip", bad)]).status == 422
    assert refusal(client.upload, "/versions/import", [file, file]).status == 422
    assert len(client.get("/versions")["items"]) == 2
    assert incoming(server.services) == []


def test_deploy_predict_roll_back(
    server: Server, trained: Callable[[], str], tmp_path: Path
) -> None:
    client = server.client()
    low, high = tmp_path / "low.wav", tmp_path / "high.wav"
    soundfile.write(low, toy.tone(toy.LOW_HZ), toy.RATE)
    soundfile.write(high, toy.tone(toy.HIGH_HZ, rate=44_100), 44_100)
    assert refusal(client.upload, "/predict", [low]).status == 409
    first, second = trained(), trained()
    deployment = client.post("/deployments", {"version": first})
    assert deployment["state"] == "live"
    assert deployment["author"] == "tester"
    answer = client.upload("/predict", [low, high, ("bad.wav", b"no sound")])
    assert answer["version"] == first
    assert [result.get("label") for result in answer["results"]] == ["low", "high", None]
    assert answer["results"][2]["error"]["status"] == 422
    assert set(answer["results"][0]["scores"]) == set(toy.CLASSES)
    assert refusal(client.upload, "/predict", [("bad.wav", b"")]).status == 422
    assert refusal(client.delete, f"/versions/{first}").status == 409
    error = refusal(client.post, "/deployments", {"version": first, "precision": "fp64"})
    assert error.status == 422
    client.post("/deployments", {"version": second})
    assert client.post("/deployments/rollback")["version"] == first
    listed = client.get("/deployments")
    assert listed["current"]["version"] == first
    assert [one["version"] for one in listed["items"]] == [first, second, first]
    assert client.get("/status")["deployment"]["version"] == first
    assert (
        f'earmark_deployment{{version="{first}"}} 1'
        in server.http().get(f"{server.url}/metrics").text
    )
    assert incoming(server.services) == []
