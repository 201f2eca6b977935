"""Which commands there are, how they are loaded, and how a call that is wrong ends."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from appliance.cli.app import COMMANDS, earmark
from tests.cli.conftest import Call
from tests.cli.fake import FakeDaemon

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# The list of the house that belongs to this release; tui, doctor, backup and restore come later.
HOUSE = (
    *("serve", "demo", "status", "devices", "record", "import", "clips", "label", "labels"),
    *("train", "jobs", "cancel", "versions", "version", "deploy", "rollback", "predict", "listen"),
)


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below, inner in command.commands.items():
            yield from walk(inner, f"{name} {below}")


def every_command() -> dict[str, click.Command]:
    context = click.Context(earmark)
    found = {}
    for name in COMMANDS:
        command = earmark.get_command(context, name)
        assert command is not None
        found.update(walk(command, name))
    return found


ALL = every_command()


def test_the_house_list_is_there() -> None:
    assert set(HOUSE) <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_json_a_help_and_an_example_of_it(name: str, call: Call) -> None:
    command = ALL[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--url", "--token", "--data"} <= options
    assert command.short_help
    done = call(*name.split(), "--help")
    assert done.status == 0
    assert done.out.startswith(f"Usage: earmark {name}")
    # Words of help are short lines, and every option says what it does.
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.help, f"{name} {parameter.opts}"


def test_the_list_says_what_the_commands_say() -> None:
    for name, (_, words) in COMMANDS.items():
        assert ALL[name].short_help == words


def test_the_page_of_commands_is_current() -> None:
    made = runpy.run_path(str(REPOSITORY / "scripts" / "cli_doc.py"))["page"]()
    assert (REPOSITORY / "docs" / "cli.md").read_text() == made


def modules_of(*words: str, **environment: str) -> set[str]:
    """What a real process has imported when `earmark WORDS` ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr))\n"
        "from appliance.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    last = done.stderr.rpartition("MODULES ")[2]
    assert done.returncode == 0, done.stderr
    return set(last.split())


HEAVY = {"torch", "torchaudio", "fastapi", "starlette", "uvicorn", "numpy", "sqlite_utils", "onnx"}


def test_help_imports_neither_torch_nor_fastapi_nor_any_command() -> None:
    imported = modules_of("--help")
    assert not imported & (HEAVY | {"httpx", "rich"})
    commands = {entry[0].partition(":")[0] for entry in COMMANDS.values()}
    assert not imported & {f"appliance.cli.{module}" for module in commands}


def test_status_imports_neither_torch_nor_fastapi(fake: FakeDaemon) -> None:
    status = {
        "version": "1", "uptime_s": 1.0, "data_folder": "/d", "disk": {"free": 1, "total": 2},
        "memory_mb": 1.0, "microphones": [], "deployment": None, "job": None, "queue_length": 0,
        "history": {"state": "on", "hours": 6.0, "bytes": 0, "problem": "", "microphones": []},
        "clips": 0, "labels": 0,
    }  # fmt: skip
    ready = {"ready": True, "reasons": [], "classes": [], "warnings": []}
    fake.before = lambda method, path, body: (200, status if path == "/status" else ready)
    imported = modules_of("status", EARMARK_URL=fake.url)
    assert "httpx" in imported
    assert not imported & HEAVY


# --- how a call ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stats"], "No such command 'stats'. Did you mean 'status'?"),
        (["devices", "ad"], "No such command 'ad'. Did you mean 'add'?"),
        (["clips", "label", "1"], "There is 'earmark label'."),
        (["thresholds", "dog", "0.5"], "Here are: reset, set."),
        (["import"], "Missing argument 'PATH'"),
        (["record", "fast"], "is not a duration"),
        (["record", "0"], "more than 0"),
        (["record", "5", "--seconds", "5"], "once"),
        (["clips", "--since", "soon"], "is not a time"),
        (["clips", "--limit", "0"], "0 is not in the range"),
        (["label"], "which label?"),
        (["label", "dog"], "which clips?"),
        (["label", "dog", "x"], "not a clip's number"),
        (["label", "dog", "9-1"], "write 1-9"),
        (["label", "dog", "1", "--unlabelled"], "not both"),
        (["label", "--none"], "which clips?"),
        (["devices", "set", "m"], "say what to change"),
        (["devices", "add", "default", "--gain", "900"], "'--gain': 900.0 is not in the range"),
        (["history", "cut", "m", "soon", "1", "2"], "'WHEN': 'soon' is not a time"),
        (["devices", "set", "m", "--channel", "left"], "0 for the first channel"),
        (["train", "--max-minutes", "long"], "not a valid integer"),
        (["job"], "Missing argument"),
        (["export", "x", "--no-clips", "--no-detections"], "nothing left to export"),
        (["completion", "tcsh"], "tcsh"),
        (["version", "note", "V001"], "Missing argument"),
        (["serve", "--port", "99999"], "99999 is not in the range"),
        (["import", ".", "--session-column", "a", "--session-pattern", "b"], "not both"),
    ],
)
def test_usage_errors(call: Call, words: list[str], says: str) -> None:
    done = call(*words)
    assert done.status == 2
    assert says in done.err
    assert done.out == ""
    done = call(*words, "--json")
    assert done.status == 2
    assert says in done.error["error"]
    assert done.out == ""


def test_no_daemon_is_one_line_and_one_advice(call: Call, tmp_path: Path) -> None:
    done = call("status", "--data", tmp_path)
    assert done.status == 1
    assert done.err.splitlines() == [
        f"earmark: no daemon is running on {tmp_path}",
        "  start it with `earmark serve`, or name another one with --url or --data",
    ]
    # The global options may stand before the command or behind it.
    assert call("--json", "--data", tmp_path, "status").error["error"].startswith("no daemon")


def test_a_refusal_of_the_daemon(call: Call, fake: FakeDaemon) -> None:
    problem = {
        "title": "Not ready",
        "detail": "not ready:\n dog: 3 of 5 clips",
        "advice": "record more",
        "status": 409,
        "reasons": ["dog: 3 of 5 clips"],
    }
    fake.before = lambda method, path, body: (409, problem)
    done = call("rollback", "--url", fake.url)
    assert done.status == 1
    assert done.err == "earmark: not ready: dog: 3 of 5 clips\n  record more\n"
    assert call("rollback", "--url", fake.url, "--json").error == {
        "error": "not ready:\n dog: 3 of 5 clips",
        "advice": "record more",
        "http_status": 409,
        "reasons": ["dog: 3 of 5 clips"],
    }


def test_microphones_are_shown_whatever_becomes_of_the_list_of_devices(
    call: Call, fake: FakeDaemon
) -> None:
    empty = {"items": [], "next": None}
    hangs = {"problem": "the sound server does not answer", "advice": "restart it"}
    fake.before = lambda method, path, body: (
        (200, {**empty, **hangs}) if path.endswith("/available") else (200, empty)
    )
    assert "does not answer (restart it)" in call("devices", "--url", fake.url).err
    fake.before = lambda method, path, body: (
        (0, None) if path.endswith("/available") else (200, empty)
    )
    done = call("devices", "--url", fake.url)
    assert done.status == 1
    assert "No microphone is set up" in done.out


def test_something_else_at_the_address(call: Call, fake: FakeDaemon) -> None:
    fake.before = lambda method, path, body: (500, "not a problem")
    done = call("status", "--url", fake.url)
    assert done.status == 1
    assert "HTTP 500" in done.err
    assert call("status", "--url", "nonsense").status == 1


@pytest.mark.parametrize(
    "words",
    [
        ["labels", "delete", "dog"],
        ["labels", "merge", "dog", "cat"],
        ["clips", "delete", "1"],
        ["label", "dog", "--all"],
        ["schedule", "remove", "1"],
    ],
)
def test_big_changes_are_not_made_without_a_yes(
    call: Call, fake: FakeDaemon, words: list[str]
) -> None:
    fake.labels |= {"dog", "cat"}
    fake.clips.append({"id": 1})
    done = call(*words, "--url", fake.url)
    assert done.status == 1
    why, advice = done.err.splitlines()
    assert why.startswith("earmark: nothing was changed: ")
    assert advice == "  --yes answers yes"
    assert {method for method, _ in fake.requests} <= {"GET"}


@pytest.mark.parametrize(
    "words",
    [
        ["labels", "delete", "dgo"],
        ["labels", "merge", "dgo", "cat"],
        ["labels", "merge", "dog", "cta"],
        ["label", "dgo", "1"],
        ["label", "dgo", "--all"],
        ["detections", "relabel", "dgo", "1"],
        ["detections", "refute", "1", "--label", "dgo"],
    ],
)
@pytest.mark.parametrize("more", [[], ["--yes"]])
def test_nobody_is_asked_about_what_is_not_there(
    call: Call, fake: FakeDaemon, words: list[str], more: list[str]
) -> None:
    fake.labels |= {"dog", "cat"}
    done = call(*words, *([] if words[0] == "detections" else more), "--url", fake.url)
    assert done.status == 1
    assert "there is no label" in done.err
    assert "did you mean" in done.err
    assert {method for method, _ in fake.requests} == {"GET"}


@pytest.mark.parametrize(
    "words",
    [["label", "", "1"], ["label", " ", "1", "--create"], ["detections", "relabel", "", "1"]],
)
def test_a_label_needs_a_name(call: Call, fake: FakeDaemon, words: list[str]) -> None:
    done = call(*words, "--url", fake.url)
    assert done.status == 1
    assert "a label needs a name" in done.err
    assert {method for method, _ in fake.requests} <= {"GET"}


def test_a_negative_number_is_a_setting_s_value_and_no_option(call: Call, tmp_path: Path) -> None:
    done = call("settings", "set", "backup.copies", "-1", "--data", tmp_path)
    assert done.status == 1
    assert "backup.copies" in done.err
    assert "0 to" in done.err
    assert call("settings", "set", "backup.copies", "1", "--jsno").status == 2


def test_completion_scripts(call: Call) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = call("completion", shell)
        assert done.status == 0
        assert "_EARMARK_COMPLETE" in done.out
        assert call("completion", shell, "--json").json["shell"] == shell


def test_completion_completes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_EARMARK_MAIN__PY_COMPLETE": "",
            "_EARMARK_COMPLETE": "bash_complete",
            "COMP_WORDS": "earmark labels re",
            "COMP_CWORD": "2",
        },
        check=True,
    )
    assert done.stdout.split() == ["plain,rename"]


def test_version_is_one_line(call: Call) -> None:
    assert re.fullmatch(r"earmark \d+\.\d+\S*\n", call("--version").out)


def test_an_output_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    """Half a screen is read, then the reader goes; and a locale without Unicode."""
    words = [sys.executable, "-m", "appliance.cli", "completion", "bash", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors == b""
    (tmp_path / "é").mkdir()
    (tmp_path / "é" / "ü.wav").write_bytes(b"x")
    for encoding in ("ascii", "utf-8"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "appliance.cli",
                "import",
                str(tmp_path),
                "--dry-run",
                "--json",
            ],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=True,
        )
        assert json.loads(done.stdout)["labels"][0]["label"] == "é"
