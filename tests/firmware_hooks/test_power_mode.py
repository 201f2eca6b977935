"""Changing the power mode as root: real files and real children, which answer as the boards do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_hooks.power_control import UnitPower
from firmware_hooks.power_mode import Request, read_modes, read_request, write_request

TREES = Path(__file__).parent / "trees"

# As nvpmodel on a board: modes 2 and 3 want a reboot, and only a YES brings it.
NVPMODEL = """#!/bin/sh
root=$(dirname "$(dirname "$(dirname "$0")")")
case "$2" in
2|3)
    echo "NVPM WARN: Reboot required for changing to this power mode: $2"
    echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:"
    read answer || answer=
    case "$answer" in YES|yes) touch "$root/rebooted";; esac
    echo "NVPM ERROR: bad input!"
    echo "NVPM ERROR: optMask is 1, no request for power mode"
    exit 1;;
esac
printf 'pmode:%04d\\n' "$2" > "$root/var/lib/nvpmodel/status"
"""
CLOCKS = """#!/bin/sh
root=$(dirname "$(dirname "$(dirname "$0")")")
echo "$@" >> "$root/clocks.log"
if [ "$1" = --store ]; then echo was > "$2"; fi
if [ "$1" = --restore ]; then test -f "$2" || { echo "Error: no file"; exit 1; }; fi
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    shutil.copytree(TREES / "agx-thor", made)
    for path, text in (("usr/sbin/nvpmodel", NVPMODEL), ("usr/bin/jetson_clocks", CLOCKS)):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
        (made / path).chmod(0o755)
    boot(made, "first")
    (made / "run").mkdir()
    return made


def boot(root: Path, identifier: str) -> None:
    file = root / "proc/sys/kernel/random/boot_id"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(identifier + "\n")


def one_shot(root: Path) -> tuple[int, dict[str, object]]:
    """The unit's own command line; its exit status, and what it wrote."""
    command = [sys.executable, "-m", "firmware_hooks.power_mode", "apply"]
    command += ["--request", str(root / "run/request"), "--state", str(root / "run/state")]
    done = subprocess.run([*command, "--root", str(root)], stdin=subprocess.DEVNULL, timeout=60)
    return done.returncode, json.loads((root / "run/state").read_text())


def test_the_mode_and_the_clocks_are_raised_and_put_back(root: Path) -> None:
    power = UnitPower(root, root / "run/request", root / "run/state")
    before = power.modes().current
    assert before is not None
    assert before.name == "120W"
    assert power.ask(Request("a", 0, True))
    assert one_shot(root) == (0, {"id": "a", "outcome": "done", "detail": "", "mode": 0})
    assert power.modes().current == power.modes().strongest
    # Asked for again, it does nothing: the clocks of before are kept.
    power.ask(Request("b", 0, True))
    assert one_shot(root)[0] == 0
    power.ask(Request("c", before.id, False))
    assert one_shot(root)[0] == 0
    assert power.modes().current == before
    result = power.result()
    assert result is not None
    assert (result.id, result.outcome, result.mode) == ("c", "done", 1)
    kept = root / "var/lib/nvpmodel/earmark-clocks.first.conf"
    assert (root / "clocks.log").read_text() == f"--store {kept}\n\n--restore {kept}\n"
    assert not kept.exists()


def test_after_a_reboot_the_mode_is_put_back_and_the_old_clocks_are_not_believed(
    root: Path,
) -> None:
    write_request(Request("a", 0, True), root / "run/request")
    one_shot(root)
    boot(root, "second")
    write_request(Request("b", 1, False), root / "run/request")
    assert one_shot(root)[0] == 0
    assert "--restore" not in (root / "clocks.log").read_text()
    write_request(Request("c", 0, True), root / "run/request")
    assert one_shot(root)[0] == 0
    assert [file.name for file in (root / "var/lib/nvpmodel").glob("earmark-*")] == [
        "earmark-clocks.second.conf"
    ]


def test_a_question_about_a_reboot_is_never_answered(root: Path) -> None:
    write_request(Request("a", 2, True), root / "run/request")
    status, state = one_shot(root)
    assert status == 1
    assert (state["outcome"], state["mode"]) == ("needs reboot", 1)
    assert not (root / "rebooted").exists()
    assert not (root / "clocks.log").exists(), "nothing was changed"
    # The control: the same board, asked by somebody who does answer.
    subprocess.run([root / "usr/sbin/nvpmodel", "-m", "2"], input=b"YES\n", check=False)
    assert (root / "rebooted").exists()


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"[]",
        b"MAXN",
        b'{"mode": "0; reboot"}',
        b'{"mode": true}',
        b'{"mode": 0, "root": "/tmp"}',
        b'{"mode": 0, "clocks": 1}',
        b'{"id": 5}',
        b'{"mode": 99}',
        b"x" * 5000,
    ],
)
def test_nonsense_is_refused_and_nothing_runs(root: Path, request_: bytes) -> None:
    (root / "run/request").write_bytes(request_)
    status, state = one_shot(root)
    assert (status, state["outcome"]) == (1, "refused")
    assert read_modes(root).current == read_modes(TREES / "agx-thor").current


def test_no_link_is_followed_and_a_link_in_the_way_of_the_state_is_replaced(
    root: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"mode": 0}')
    (root / "run/request").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        read_request(root / "run/request")
    (root / "run/state").symlink_to(secret)
    assert one_shot(root)[0] == 1
    assert secret.read_text() == '{"mode": 0}'
    assert not (root / "run/state").is_symlink()
    (root / "run/request").unlink()
    os.mkfifo(root / "run/request")
    with pytest.raises(ValueError, match="no ordinary file"):
        read_request(root / "run/request")


def test_a_computer_without_power_modes(root: Path) -> None:
    (root / "etc/nvpmodel.conf").unlink()
    write_request(Request("a", 0, True), root / "run/request")
    assert one_shot(root)[1]["detail"] == "this computer has no power modes"
    assert not UnitPower(root, root / "no/such/folder").ask(Request("a", 0, True))
