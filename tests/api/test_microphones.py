"""Microphones, recordings and what the box gathers by itself, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.client import ClientError, quoted
from appliance.live.detection import NewDetection
from tests.api.conftest import TOKEN, Server, Sound
from tests.waiting import until


@pytest.fixture
def box(server: Server) -> Iterator[Server]:
    """A server whose microphones and recorders run."""
    services = server.services
    parts = (
        services.house.microphones,
        services.house.recorder,
        services.house.triggers,
        services.house.background,
        services.house.schedules,
    )
    for part in parts:
        part.start()
    yield server
    for part in reversed(parts):
        part.stop()


@pytest.fixture
def replay(box: Server, sound: Sound) -> str:
    """The id of a replay microphone that plays noise over and over; it is called "room"."""
    source = f"replay:{sound(seconds=2)}?loop=1"
    added = box.client().post("/microphones", {"source": source, "name": "room"})
    identifier: str = added["id"]
    path = f"/microphones/{quoted(identifier)}"
    until(lambda: box.client().get(path)["status"]["state"] == "running", "it does not run")
    return identifier


def test_a_microphone_by_id_and_by_name(box: Server, replay: str) -> None:
    client = box.client()
    by_id = client.get(f"/microphones/{quoted(replay)}")
    assert "/" in replay
    assert by_id["name"] == client.get("/microphones/room")["name"] == "room"
    # Slashes may also come as they are.
    assert client.get(f"/microphones/{replay}")["id"] == replay
    assert [one["id"] for one in client.get("/microphones")["items"]] == [replay]


def test_a_change_is_at_work_at_once_and_the_rest_stays(box: Server, replay: str) -> None:
    client = box.client()
    changed = client.patch("/microphones/room", {"gain_db": 6.0, "listen": False})
    assert (changed["gain_db"], changed["listen"], changed["name"]) == (6.0, False, "room")
    assert box.services.house.microphones.capture("room").gain_db == 6.0
    for bad in (
        {"gain_db": 1e9},
        {"channel": -1},
        {"gian_db": 1},
        {"name": None},
        {"name": "a\nb"},
    ):
        with pytest.raises(ClientError) as caught:
            client.patch("/microphones/room", bad)
        assert caught.value.status == 422, bad
        assert caught.value.advice, bad
    client.delete("/microphones/room")
    with pytest.raises(ClientError) as caught:
        client.get("/microphones/room")
    assert caught.value.status == 404


@pytest.mark.parametrize("source", ["", "replay:", "x\ny", "replay:/a?speed=x"])
def test_a_source_that_is_none_is_refused(box: Server, source: str) -> None:
    with pytest.raises(ClientError) as caught:
        box.client().post("/microphones", {"source": source})
    assert caught.value.status == 422
    assert caught.value.advice
    assert box.client().get("/microphones")["items"] == []


def test_a_device_that_is_away_is_waited_for_and_said_so(box: Server) -> None:
    client = box.client()
    added = client.post("/microphones", {"source": "usb:9-9:NOTHERE", "name": "barn"})
    path = f"/microphones/{quoted(added['id'])}"
    until(lambda: client.get(path)["status"]["state"] == "missing", "it is not said to be missing")
    assert client.get(path)["status"]["advice"]
    with pytest.raises(ClientError) as caught:
        client.post("/recordings", {"microphones": ["barn"], "seconds": 1})
    assert caught.value.status == 503
    assert caught.value.advice


def test_a_recording_becomes_a_clip(box: Server, replay: str) -> None:
    client = box.client()
    body = {"microphones": ["room"], "seconds": 0.5, "label": "noise"}
    [recording] = client.post("/recordings", body)["items"]
    path = f"/recordings/{recording['id']}"
    until(lambda: client.get(path)["state"] == "stored", "it was not stored")
    [clip] = client.get(path)["clips"]
    assert client.get(f"/clips/{clip}")["label"] == "noise"
    assert client.get(f"/clips/{clip}")["microphone"] == replay


def test_a_recording_until_it_is_stopped(box: Server, replay: str) -> None:
    client = box.client()
    [recording] = client.post("/recordings", {"microphones": ["room"]})["items"]
    until(lambda: client.get(f"/recordings/{recording['id']}")["elapsed_s"] > 0.2, "nothing comes")
    stopped = client.post(f"/recordings/{recording['id']}/stop")
    assert stopped["state"] == "stored"
    assert len(stopped["clips"]) == 1


def test_a_recording_that_makes_no_sense_is_refused(box: Server, replay: str) -> None:
    client = box.client()
    for bad in (
        {"microphones": []},
        {"microphones": ["nobody"], "seconds": 1},
        {"microphones": ["room"], "seconds": 0},
        {"microphones": ["room"], "seconds": -1},
        {"microphones": ["room"], "seconds": 1e9},
        {"microphones": ["room"], "seconds": "long"},
        {"microphones": ["room"], "seconds": 1, "label": "a\nb"},
        {"microphones": "room", "seconds": 1},
        {"microphone": ["room"], "seconds": 1},
    ):
        with pytest.raises(ClientError) as caught:
            client.post("/recordings", bad)
        assert caught.value.status in (404, 422), bad
        assert caught.value.advice, bad
    assert client.get("/recordings")["items"] == []


def test_trigger_background_and_schedule(box: Server, replay: str) -> None:
    client = box.client()
    assert client.get("/microphones/room/trigger")["on"] is False
    on = client.put(f"/microphones/{quoted(replay)}/trigger", {"rise_db": 20})
    assert (on["on"], on["settings"]["rise_db"]) == (True, 20)
    assert client.put("/microphones/room/trigger", {})["on"] is True
    assert client.put("/microphones/room/trigger", None)["on"] is False

    body = {"microphone": "room", "samples": 2, "over_s": 60, "seconds": 1, "label": "background"}
    task = client.post("/background", body)
    assert client.get(f"/background/{task['id']}")["state"] == "gathering"
    assert [one["id"] for one in client.get("/background")["items"]] == [task["id"]]
    assert client.delete(f"/background/{task['id']}")["state"] == "cancelled"

    schedule = client.post("/schedules", {"microphone": "room", "at": "06:30", "seconds": 60})
    assert schedule["microphone"] == replay
    for bad in ("25:00", "6:30 am", "06:60", ""):
        with pytest.raises(ClientError) as caught:
            client.post("/schedules", {"microphone": "room", "at": bad, "seconds": 60})
        assert caught.value.status == 422
    client.delete(f"/schedules/{schedule['id']}")
    assert client.get("/schedules")["items"] == []


def test_devices_that_are_there(shared: Server) -> None:
    for device in shared.client().get("/microphones/available")["items"]:
        assert device["id"]
        assert device["name"]


def test_detections_and_their_reviews(server: Server) -> None:
    services, client = server.services, server.client()
    with services.house.db.write() as tx:
        tx.conn.execute(
            "INSERT INTO versions (name, created_at, source, classes, stopped, seconds, "
            "onnx_sha256, card) VALUES ('V001', 0, 'trained', '[]', '', 0, '', '{}')"
        )
        tx.conn.execute(
            "INSERT INTO deployments (version, precision, engine, state, certificate, author, "
            "created_at) VALUES ('V001', 'fp32', 'x', 'replaced', '{}', '', 0)"
        )
    for label in ("bell", "knock", "bell"):
        services.house.detections.add(NewDetection("m", label, 0.9, "V001", 1, 1, 2))
    items = client.get("/detections")["items"]
    assert [item["label"] for item in items] == ["bell", "knock", "bell"]
    assert [item["id"] for item in client.pages("/detections", label="bell", limit=1)] == [3, 1]
    assert client.get("/detections/2")["label"] == "knock"
    bell = {"review": "refuted", "label": "bell"}
    for verb, path, body in (
        (client.put, "/detections/2/review", bell),
        (client.post, "/detections/review", {"detections": [2], **bell}),
    ):
        with pytest.raises(ClientError, match="there is no label 'bell'") as refused:
            verb(path, body)
        assert refused.value.status == 404
    assert client.get("/detections/2")["review"] is None
    told = client.put("/detections/2/review", {**bell, "create": True})
    assert (told["review"], told["review_label"], told["reviewed_by"]) == (
        "refuted",
        "bell",
        "tester",
    )
    assert [one["id"] for one in client.pages("/detections", review="none")] == [3, 1]
    for bad in ({"review": "perhaps"}, {}, {"review": "confirmed", "label": "bell"}):
        with pytest.raises(ClientError) as caught:
            client.put("/detections/2/review", bad)
        assert caught.value.status == 422
    for query in ("review=x", "since=nan", "limit=0", "cursor=x", "labl=x"):
        assert server.http().get(f"/detections?{query}").status_code == 422


def test_status_settings_and_metrics(box: Server, replay: str) -> None:
    client = box.client()
    status = client.get("/status")
    assert status["microphones"][0]["name"] == "room"
    assert status["disk"]["free"] > 0
    assert status["memory_mb"] > 10
    rows = {row["name"]: row for row in client.get("/settings")["items"]}
    assert rows["http.max_upload_mb"]["value"] == 20
    assert rows["http.max_upload_mb"]["default"] == 1000
    assert rows["http.port"]["environment"] == "EARMARK_HTTP_PORT"
    assert TOKEN not in str(rows)
    text = box.http().get(f"{box.url}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['earmark_microphone_running{microphone="room"}']) == 1
    assert float(values["earmark_clips"]) == 0
    assert float(values["earmark_disk_total_bytes"]) == status["disk"]["total"]


def test_hearing_is_there_without_a_deployment(server: Server, tmp_path: Path) -> None:
    assert server.client().get("/hearing") == {}
