"""Settings: file, environment, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import settings_reading
from appliance.errors import InvalidInput
from appliance.settings import Settings


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "earmark.toml"
    file.write_text('[http]\nport = 9000\nallowed_hosts = ["box.lan"]\n[listen]\nthreshold = 1\n')
    read = settings_reading.load(
        file, {"EARMARK_HTTP_PORT": "9001", "EARMARK_LISTEN_KEEP_CLIPS": "no"}
    )
    assert read.http.port == 9001
    assert read.http.allowed_hosts == ("box.lan",)
    assert read.listen.threshold == 1.0
    assert read.listen.keep_clips is False


def test_other_variables_of_ours_are_no_settings() -> None:
    assert settings_reading.load(None, {"EARMARK_DATA": "/x", "EARMARK_URL": "y"}) == Settings()


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("[http]\nprot = 1\n", "unknown setting 'http.prot'", "did you mean 'http.port'?"),
        ("[listne]\n", "unknown setting 'listne'", "did you mean"),
        ("port = 1\n", "unknown setting 'port'", "http.port"),
        ('[http]\nport = "many"\n', "not a whole number", "default is 8710"),
        ("[listen]\nthreshold = 1.5\n", "outside 0 to 1", "score"),
        ("[http]\nport = true\n", "not a whole number", "port"),
        ("[http\n", "earmark.toml", "mend"),
    ],
)
def test_a_wrong_setting_says_what_to_do(
    tmp_path: Path, text: str, message: str, advice: str
) -> None:
    file = tmp_path / "earmark.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        settings_reading.load(file, {})
    assert message in str(caught.value)
    assert advice in caught.value.advice


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"EARMARK_HTTP_PORT: http\.port is 'many'"):
        settings_reading.load(None, {"EARMARK_HTTP_PORT": "many"})
    with pytest.raises(InvalidInput, match="EARMARK_LISTEN_TRESHOLD is no setting") as caught:
        settings_reading.load(None, {"EARMARK_LISTEN_TRESHOLD": "0.5"})
    assert caught.value.advice == "did you mean EARMARK_LISTEN_THRESHOLD?"
    with pytest.raises(InvalidInput) as caught:
        settings_reading.load(None, {"EARMARK_HOOKS_DISK_LOW_MB": "5"})
    assert caught.value.advice == "use EARMARK_SPACE_LOW_MB"
