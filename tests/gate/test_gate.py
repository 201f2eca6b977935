"""What stands before a deployment: heard on clips and history, refused when worse, forced."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.flac import read_flac
from appliance.errors import Conflict, EngineError, InvalidInput, NotFound, Regression
from appliance.gate.manifest import spread
from appliance.gate.trained_on import trained_on
from appliance.settings import GateSettings
from appliance.units import human_duration
from tests.gate.conftest import RATE, GateBox, tone
from tests.live.conftest import until
from tests.live.tones import HIGH_HZ, LOW_HZ, MID_HZ

BOTH = {"low": LOW_HZ, "high": HIGH_HZ}
ELSEWHERE = 6_500.0


def test_the_first_version_passes_and_the_report_says_that_nothing_was_compared(
    box: GateBox,
) -> None:
    name = box.version(BOTH)
    comparison = box.deploy_by_gate(name)
    assert (comparison.state, comparison.live, comparison.candidate) == ("passed", None, name)
    assert "no version listens yet" in comparison.detail
    assert box.deployments.current().id == comparison.deployment  # type: ignore[union-attr]
    assert box.gate.comparisons.of_deployment(comparison.deployment or 0).id == comparison.id
    # And again, with nothing to hear it against.
    other = box.deploy_by_gate(box.version(BOTH))
    assert "no labelled clip, and no history" in other.detail


def test_a_version_that_lost_a_sound_is_refused_with_its_figures_and_can_be_forced(
    box: GateBox, tmp_path: Path
) -> None:
    box.deploy(BOTH)
    for number in range(4):
        box.add(tone(LOW_HZ, number), "low", f"l{number}")
        box.add(tone(HIGH_HZ, number), "high", f"h{number}")
    box.hear(tmp_path, 20, [(3.0, 0.5, LOW_HZ), (8.0, 0.5, HIGH_HZ), (14.0, 0.5, HIGH_HZ)])
    assert [found.label for found in box.heard()] == ["low", "high", "high"]
    deaf = box.version({"low": LOW_HZ, "high": ELSEWHERE})

    with pytest.raises(Regression, match="V002 is worse than V001") as refused:
        box.deploy_by_gate(deaf)
    assert any("high: of 4 clips it recognises 0, not 4" in why for why in refused.value.reasons)
    assert box.deployments.current().version == "V001"  # type: ignore[union-attr]
    last = box.gate.comparisons.page(1, None)[0][0]
    report = box.gate.get(last.id).report
    assert last.state == "refused"
    assert report["live"]["honest"] == {"right": 8, "clips": 8, "recall": 1.0}
    assert report["candidate"]["honest"]["right"] == 4
    # The offline replay says what live listening said.
    assert report["live"]["events"] == 3
    assert report["heard_s"] == pytest.approx(20, abs=1.5)
    assert (report["gained_count"], report["lost_count"]) == (0, 2)
    for event, detection in zip(report["lost"], box.heard()[:0:-1], strict=True):
        assert event["label"] == "high"
        assert event["at"] == pytest.approx(detection.started_at, abs=0.3)
        assert event["score"] == pytest.approx(detection.peak, abs=0.02)
        clip = box.history.cut(
            event["microphone"],
            event["minute"],
            event["offset_s"],
            event["offset_s"] + 0.5,
            None,
            "",
        )
        samples, _ = read_flac(box.clips.path(clip))
        spectrum = np.abs(np.fft.rfft(samples))
        loudest = np.fft.rfftfreq(len(samples), 1 / RATE)[spectrum.argmax()]
        assert loudest == pytest.approx(HIGH_HZ, abs=20)

    forced = box.deploy_by_gate(deaf, force=True)
    assert forced.forced
    assert forced.state == "passed"
    assert forced.report["regressions"], "the report still says what is lost"
    assert box.deployments.current().version == "V002"  # type: ignore[union-attr]
    assert box.deployments.rollback().version == "V001", "back without a comparison"


def test_more_false_alarms_are_refused_unless_a_person_confirmed_them(
    box: GateBox, tmp_path: Path
) -> None:
    box.deploy(BOTH)
    sounds = [(2.0 + 3.2 * n, 0.5, MID_HZ) for n in range(5)]
    box.hear(tmp_path, 20, [*sounds, (18.5, 0.5, LOW_HZ)])
    assert [found.label for found in box.heard()] == ["low"]
    # It takes the middle tone for the high one.
    wild = box.version({"low": LOW_HZ, "high": MID_HZ})
    with pytest.raises(Regression, match="false alarms rise from 1 to 6"):
        box.deploy_by_gate(wild)
    report = box.gate.get(box.gate.comparisons.page(1, None)[0][0].id).report
    assert report["gained_count"] == 5
    assert {event["state"] for event in report["gained"]} == {"unconfirmed"}
    assert report["false_alarms"]["chance"] == 1 / 32
    # A person listens to what was gained, and says that it was right.
    for event in report["gained"]:
        start = max(0.0, event["offset_s"] - 0.2)
        box.history.cut(event["microphone"], event["minute"], start, start + 0.6, "high", "anna")
    passed = box.deploy_by_gate(wild)
    assert passed.report["candidate"]["confirmed"] == 5
    assert passed.report["candidate"]["confirmed_heard"] == 5
    assert passed.report["live"]["confirmed_heard"] == 0


def test_events_of_a_new_label_are_its_purpose(box: GateBox, tmp_path: Path) -> None:
    box.deploy({"low": LOW_HZ})
    box.hear(tmp_path, 16, [(2.0 + 3 * n, 0.5, HIGH_HZ) for n in range(4)])
    passed = box.deploy_by_gate(box.version(BOTH))
    assert passed.report["new_labels"] == ["high"]
    assert passed.report["gained_count"] == 4
    assert passed.report["regressions"] == []
    assert passed.report["new_label_events"] == [
        {
            "label": "high",
            "events": 4,
            "confirmed": 0,
            "refuted": 0,
            "unconfirmed": 4,
            "many": True,
        }
    ]
    (warning,) = passed.report["warnings"]
    heard = human_duration(passed.report["heard_s"])
    assert f"high, which is new, would have been reported 4 times in {heard} (" in warning
    assert warning in passed.detail
    assert f"4 events gained and 0 lost in {heard} of history" in passed.detail


def test_a_history_that_is_too_short_to_say_is_not_called_no_regression(
    box: GateBox, tmp_path: Path
) -> None:
    box.deploy(BOTH)
    box.hear(tmp_path, 12, [(3.0, 0.5, MID_HZ), (7.0, 0.5, MID_HZ)])
    passed = box.deploy_by_gate(box.version({"low": LOW_HZ, "high": MID_HZ}))
    assert passed.report["regressions"] == []
    assert passed.report["false_alarms"]["verdict"] == "not enough history"
    assert passed.detail.startswith("not enough to say whether it is worse (recall: 0 labelled")
    assert "2 of them only from the candidate and 0 only from what listens" in passed.detail
    assert "no regression" not in passed.detail


def test_refuted_events_count_against_whoever_reports_them_again(
    box: GateBox, tmp_path: Path
) -> None:
    box.deploy(BOTH)
    box.hear(tmp_path, 12, [(2.0, 0.5, HIGH_HZ), (7.0, 0.5, LOW_HZ)])
    high, low = box.heard()
    box.detections.review(high.id, "refuted", "door", "anna", create=True)
    box.detections.review(low.id, "confirmed", author="anna")
    identifier = box.gate.compare("V001", box.version({"low": LOW_HZ, "high": ELSEWHERE}))
    until(lambda: box.gate.get(identifier).ended_at, "the comparison")
    report = box.gate.get(identifier).report
    live, candidate = report["live"], report["candidate"]
    assert (live["confirmed"], live["refuted"]) == (1, 1)
    assert (candidate["confirmed"], candidate["refuted"]) == (1, 0)
    assert report["lost"][0]["why"] == f"detection {high.id} was refuted"
    assert box.deployments.current().version == "V001", "nothing is deployed"  # type: ignore[union-attr]


def test_clips_that_a_version_knows_are_counted_apart(box: GateBox) -> None:
    known = [box.add(tone(LOW_HZ, n), "low", f"s{n}") for n in range(6)]
    for n in range(6):
        box.add(tone(HIGH_HZ, n), "high", f"h{n}")
    box.datasets.publish("first")
    twin = box.add(tone(LOW_HZ, 77), "low", "s0")  # of a session that it knows
    fresh = box.add(tone(LOW_HZ, 78), "low", "new")
    first = box.versions.publish(
        _result(box, BOTH),
        job=None,
        dataset_version="first",
        parent=None,
        stopped="converged",
        seconds=1.0,
    )
    child = box.versions.publish(
        _result(box, BOTH),
        job=None,
        dataset_version=None,
        parent=first.name,
        stopped="converged",
        seconds=1.0,
    )
    seen = trained_on(box.versions, box.datasets, first.name)
    clips = {clip: box.clips.get(clip) for clip in (*known, twin, fresh)}
    assert [seen.has_seen(clips[clip]) for clip in (known[0], twin, fresh)] == [True, True, False]
    assert trained_on(box.versions, box.datasets, child.name).has_seen(clips[twin])

    box.deployments.deploy(first.name)
    report = box.deploy_by_gate(box.version({"low": LOW_HZ, "high": ELSEWHERE})).report
    assert report["live"]["honest"] == {"right": 1, "clips": 1, "recall": 1.0}
    assert report["live"]["trained"]["clips"] == 13
    assert report["regressions"] == [], "what it learned by heart proves nothing"


def _result(box: GateBox, labels: dict[str, float]) -> Path:
    from tests.live.tones import write_version

    return write_version(box.folder.jobs / f"r{time.monotonic_ns()}" / "result", labels)


def test_one_at_a_time_with_progress_and_it_can_be_cancelled(box: GateBox, tmp_path: Path) -> None:
    box.deploy(BOTH)
    for number in range(300):
        box.add(tone(LOW_HZ, number), "low", f"l{number}")
    other = box.version({"low": LOW_HZ})
    identifier = box.gate.compare("V001", other)
    with pytest.raises(Conflict, match=f"comparison {identifier} is running"):
        box.gate.deploy(other)
    running = box.gate.get(identifier)
    assert running.progress is not None
    assert box.gate.cancel(identifier).state == "cancelled"
    assert box.gate.get(identifier).progress is None
    again = box.gate.compare("V001", other)
    until(lambda: box.gate.get(again).ended_at, "the second")

    def told() -> list[str]:
        said = [event.data["comparison"] for event in box.told if event.topic == "comparison"]
        return [one["state"] for one in said if one["id"] == again]

    assert told()[0] == "running"
    until(lambda: told()[-1] in ("passed", "refused"), "word of its end")
    with pytest.raises(InvalidInput, match="against itself"):
        box.gate.compare("V001", "V001")
    with pytest.raises(NotFound):
        box.gate.compare("V001", "V099")


def test_a_deployment_is_cancelled_while_it_is_still_heard(box: GateBox) -> None:
    box.deploy(BOTH)
    for number in range(60):
        box.add(tone(LOW_HZ, number), "low", f"l{number}")
    other = box.version({"low": LOW_HZ})
    # What only compares is no deployment.
    only = box.gate.compare("V001", other)
    with pytest.raises(Conflict, match="no version is being deployed"):
        box.gate.cancel_deployment()
    assert box.gate.get(only).state == "running"
    box.gate.cancel(only)
    identifier, done = box.gate.deploy(other, "fp16", force=True)
    ended = box.gate.cancel_deployment()
    assert (ended.version, ended.precision, ended.state) == (other, "fp16", "cancelled")
    assert box.gate.get(identifier).state == "cancelled"
    assert isinstance(done.exception(0), Conflict)
    assert box.deployments.current().version == "V001"  # type: ignore[union-attr]


def test_a_version_that_was_altered_fails_the_comparison_and_is_not_deployed(
    box: GateBox,
) -> None:
    box.deploy(BOTH)
    box.add(tone(LOW_HZ), "low", "one")
    bad = box.version(BOTH)
    file = box.versions.path(bad) / "model.onnx"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(EngineError, match=r"comparison failed.*altered"):
        box.deploy_by_gate(bad)
    assert box.gate.comparisons.page(1, None)[0][0].state == "failed"


def test_what_there_is_no_time_for_is_said(box: GateBox, tmp_path: Path) -> None:
    box.deploy(BOTH)
    box.hear(tmp_path, 8, [(2.0, 0.5, LOW_HZ)])
    box.gate._settings = dataclasses.replace(box.settings, gate=GateSettings(limit_s=0))
    passed = box.deploy_by_gate(box.version(BOTH))
    assert "gate.limit_s is 0" in passed.detail


def test_the_order_of_the_history_is_spread_from_its_beginning() -> None:
    assert spread(0) == []
    assert spread(1) == [0]
    order = spread(16)
    assert sorted(order) == list(range(16))
    assert order[:4] == [15, 7, 11, 3]
