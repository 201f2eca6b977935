"""What may be submitted, what is refused, and who is first when two want the same."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound, NotReady
from appliance.jobs.job import ENDED, IN_SLOT, MOVES, QUEUED, STATES
from appliance.jobs.progress import reached_speed
from appliance.jobs.queue import REACHED
from appliance.library.plan import FIXED_SECONDS
from appliance.units import human_duration
from tests.jobs.house import House, add_clips, until
from tests.models import toy


@pytest.mark.parametrize("minutes", [5, 6001, 0, -60, 6.5, True, "60"])
def test_a_duration_outside_6_to_6000_whole_minutes_is_refused(
    house: House, minutes: object
) -> None:
    for flavor in ("free", "compute"):
        with pytest.raises(InvalidInput, match="duration") as refusal:
            house.queue.submit(minutes, flavor)  # type: ignore[arg-type]
        assert "6 to 6000" in refusal.value.advice
    assert house.queue.all().items == []
    assert house.datasets.all() == [], "nothing is half-done"


@pytest.mark.parametrize(
    ("minutes", "flavor", "limit_min"),
    [
        (6, "free", 6),
        (60, "free", 60),
        (6000, "free", 60),
        (6, "compute", 6),
        (6000, "compute", 6000),
    ],
)
def test_free_stops_after_an_hour(house: House, minutes: int, flavor: str, limit_min: int) -> None:
    assert house.queue.specification(minutes, flavor).limit_s == 60 * limit_min
    assert house.queue.submit(minutes, flavor).limit_s == 60 * limit_min


def test_an_unknown_flavor_is_refused(house: House) -> None:
    with pytest.raises(InvalidInput, match="flavor"):
        house.queue.submit(60, "gratis")


def test_training_is_refused_with_every_reason(open_house: Callable[[], House]) -> None:
    house = open_house()
    add_clips(house.db, house.folder, dog=3, cat=4)
    with pytest.raises(NotReady) as refusal:
        house.queue.submit()
    assert refusal.value.reasons == ["cat: 4 of 5 clips", "dog: 3 of 5 clips"]
    shown = house.queue.specification()
    assert shown.readiness.reasons == refusal.value.reasons
    assert shown.plan is None
    assert house.queue.all().items == []
    assert house.datasets.all() == []


def test_the_specification_is_what_submit_does(house: House) -> None:
    shown = house.queue.specification(30)
    assert (shown.dataset_version, shown.dataset_exists) == ("dataset-001", False)
    assert (shown.position, shown.limit_s) == (1, 1800)
    assert shown.plan is not None
    job = house.queue.submit(30)
    assert (job.dataset_version, job.position) == (shown.dataset_version, shown.position)
    assert job.plan["steps"] == shown.plan["steps"]
    assert job.plan["seconds"] <= job.limit_s
    assert house.datasets.get("dataset-001").clips == 10
    after = house.queue.specification(30)
    assert (after.dataset_version, after.position) == ("dataset-002", 2)
    assert after.expected_start > shown.expected_start + shown.plan["seconds"] - 1


def test_an_existing_dataset_version_is_trained_on_again(house: House) -> None:
    house.queue.submit(dataset_version="spring")
    add_clips(house.db, house.folder, bird=5)
    assert house.queue.specification(dataset_version="spring").dataset_exists
    assert house.queue.submit(dataset_version="spring").dataset_version == "spring"
    assert house.datasets.get("spring").clips == 10
    with pytest.raises(InvalidInput):
        house.queue.submit(dataset_version="../spring")


def test_from_a_version_that_does_not_exist(house: House) -> None:
    for question in (house.queue.specification, house.queue.submit):
        with pytest.raises(NotFound):
            question(60, "free", None, "V001")


def test_a_version_that_a_job_begins_with_cannot_be_deleted(house: House) -> None:
    result = toy.write_result(house.folder.versions / "incoming-x" / "result")
    made = house.versions.publish(
        result, job=None, dataset_version=None, parent=None, stopped="converged", seconds=1.0
    )
    job = house.queue.submit(from_version=made.name)
    with pytest.raises(Conflict, match=f"job {job.id}"):
        house.versions.delete(made.name)
    house.queue.cancel(job.id)
    house.versions.delete(made.name)


def test_an_idempotency_key_gives_one_job(house: House) -> None:
    jobs: list[int] = []
    barrier = threading.Barrier(6)

    def submit() -> None:
        barrier.wait()
        jobs.append(house.queue.submit(idempotency_key="k1").id)

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == 6
    assert len(set(jobs)) == 1
    assert len(house.queue.all().items) == 1
    assert len(house.datasets.all()) == 1
    with pytest.raises(Conflict, match="idempotency key"):
        house.queue.submit(120, idempotency_key="k1")
    assert house.queue.submit(idempotency_key="k2").id not in jobs


def test_the_slot_holds_one_job_under_threads(house: House) -> None:
    for _ in range(8):
        house.queue.submit()
    taken: list[int] = []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        if row := house.queue.table.take():
            taken.append(row["id"])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [1]
    assert house.queue.waiting() == 7
    with pytest.raises(sqlite3.IntegrityError), house.db.write() as db:
        db.conn.execute("UPDATE jobs SET state = 'running' WHERE id = 5")


def test_only_the_moves_of_the_book_are_made(house: House) -> None:
    job = house.queue.submit()
    for before, after in itertools.product(STATES, STATES):
        if (before, after) not in MOVES:
            with pytest.raises(ValueError, match="does not move"):
                house.queue.table.move(job.id, before, after)
    assert not {before for before, _ in MOVES} & set(ENDED), "an ended job never moves"
    assert house.states(job.id) == ["queued"]


@pytest.mark.parametrize(("before", "after"), sorted(MOVES))
def test_a_move_names_the_state_it_leaves(house: House, before: str, after: str) -> None:
    job = house.queue.submit()
    with house.db.write() as db:
        db.conn.execute("UPDATE jobs SET state = ? WHERE id = ?", [before, job.id])
    table = house.queue.table
    for other in {state for state, target in MOVES if target == after} - {before}:
        assert not table.move(job.id, other, after), f"it is {before}, not {other}"
    assert len(house.states(job.id)) == 1, "a move that was not made has no event"
    assert table.move(job.id, before, after, reason="crashed", detail="why")
    assert not table.move(job.id, before, after), "the second comes too late"
    moved = house.queue.get(job.id)
    assert (moved.state, moved.reason, moved.detail) == (after, "crashed", "why")
    event = house.queue.events(job.id)[-1]
    assert (event["state"], event["reason"], event["detail"]) == (after, "crashed", "why")


def test_a_state_that_does_not_exist_is_refused_by_the_database(house: House) -> None:
    job = house.queue.submit()
    with pytest.raises(sqlite3.IntegrityError), house.db.write() as db:
        db.conn.execute("UPDATE jobs SET state = 'lost' WHERE id = ?", [job.id])


def test_a_move_and_its_event_are_one(house: House) -> None:
    job = house.queue.submit()

    def cut() -> None:
        with house.db.write():
            house.queue.table.take()
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError):
        cut()
    assert house.queue.get(job.id).state == QUEUED
    assert house.states(job.id) == [QUEUED]


def test_cancel_against_finish_the_first_writer_wins(house: House) -> None:
    """Many rounds of both at once: always one end, and the row agrees with who won."""
    for _ in range(25):
        job = house.queue.submit()
        assert house.queue.table.take() is not None
        barrier = threading.Barrier(2)
        won: list[bool] = []
        thread = threading.Thread(target=finish, args=(house, job.id, barrier, won))
        thread.start()
        barrier.wait()
        asked = house.queue.cancel(job.id)
        thread.join()
        found = house.queue.get(job.id)
        assert won == [not found.cancel_requested]
        assert (found.state == "completed") == won[0]
        assert asked.cancel_requested == found.cancel_requested
        if not won[0]:
            assert house.queue.table.move(job.id, "starting", "cancelled", reason="cancelled")


def finish(house: House, job: int, barrier: threading.Barrier, won: list[bool]) -> None:
    barrier.wait()
    moved = house.queue.table.move(
        job, "starting", "completed", reason="converged", unless_cancelled=True
    )
    won.append(moved)


def test_cancel_at_any_moment_of_a_training(house: House) -> None:
    """Whatever the moment: cancelled if and only if the cancel was committed before the end."""
    house.behave(steps=2, step_s=0.01)
    house.runner.start()
    for n in range(10):
        job = house.queue.submit()
        time.sleep(0.04 * n)
        house.queue.cancel(job.id)
        ended = house.end(job.id)
        assert (ended.state == "cancelled") == ended.cancel_requested
        assert (ended.reason == "cancelled") == ended.cancel_requested
        assert ended.cancel_requested or ended.version is not None


def test_jobs_are_listed_by_cursor(house: House) -> None:
    made = [house.queue.submit().id for _ in range(5)]
    page = house.queue.all(limit=2)
    seen = [job.id for job in page.items]
    while page.next_cursor:
        page = house.queue.all(limit=2, cursor=page.next_cursor)
        seen += [job.id for job in page.items]
    assert seen == made[::-1]
    with pytest.raises(InvalidInput):
        house.queue.all(cursor="1; DROP TABLE jobs")


def test_unknown_jobs_are_not_found(house: House) -> None:
    for question in (
        house.queue.get,
        house.queue.cancel,
        house.queue.progress,
        house.queue.log,
        house.queue.events,
    ):
        with pytest.raises(NotFound):
            question(99)


def test_the_holder_of_the_slot_is_the_current_job(house: House) -> None:
    assert house.queue.current() is None
    job = house.queue.submit()
    house.queue.table.take()
    current = house.queue.current()
    assert current is not None
    assert current.id == job.id
    assert current.state in IN_SLOT


def test_the_plan_rests_on_what_the_last_training_reached(house: House) -> None:
    """Not on a guess, nor on a look of a second when the box had nothing else to do."""
    guessed = house.queue.specification().plan
    assert guessed is not None
    assert "guessed" in guessed["why"]
    assert "the limit is 1 h" in guessed["why"]
    house.behave(steps=40, step_s=0.02)
    house.runner.start()
    done = house.end(house.queue.submit().id)
    until(lambda: house.queue.get(done.id).plan.get(REACHED), "its speed")
    curve = house.queue.progress(done.id)
    steps_a_second = 39 / (curve[-1]["elapsed_s"] - curve[0]["elapsed_s"])
    plan = house.queue.specification().plan
    assert plan is not None
    assert "guessed" not in plan["why"]
    steps = plan["steps"] + plan["folds"] * plan["fold_steps"]
    expected = steps * plan["batch"] / (done.plan["batch"] * steps_a_second)
    assert plan["seconds"] == pytest.approx(FIXED_SECONDS + expected, rel=0.02)
    # Eight times as slow, as on a busy box: what is said grows with it, and stays true.
    with house.db.write() as db:
        slow = {**house.queue.get(done.id).plan}
        slow[REACHED] /= 8
        db.conn.execute("UPDATE jobs SET plan = ?", [json.dumps(slow)])
    slower = house.queue.specification().plan
    assert slower is not None
    assert slower["seconds"] == pytest.approx(FIXED_SECONDS + 8 * expected, rel=0.02)
    said = human_duration(slower["seconds"])
    assert slower["why"] == f"10 clips of 2 classes need about {said}; the limit is 1 h"


def test_a_training_that_hardly_began_tells_no_speed() -> None:
    line: dict[str, Any] = {"phase": "training", "step": 1, "elapsed_s": 1.0}
    later = [{**line, "step": 1 + n, "elapsed_s": 1.0 + n / 4} for n in range(41)]
    assert reached_speed([]) is None
    assert reached_speed(later[:10]) is None
    assert reached_speed(later) == pytest.approx(4.0)
    # Another phase begins at step 1 again; an attempt that went on repeats steps.
    fold = [{**each, "phase": "fold 1", "elapsed_s": each["elapsed_s"] + 100} for each in later]
    assert reached_speed([*later, *fold]) == pytest.approx(4.0)
    assert reached_speed([*later, *later[20:], {"phase": "training", "step": None}]) == 4.0
