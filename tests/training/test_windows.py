"""Windows of a signal, and their votes."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.audio.windows import clip_probabilities, cut_windows, window_weights


def test_windows_cover_the_whole_signal() -> None:
    signal = np.arange(1, 1004, dtype=np.float32)
    windows = cut_windows(signal, 100, 40)
    assert windows.shape[1] == 100
    assert set(windows.ravel().tolist()) == set(signal.tolist())
    np.testing.assert_array_equal(windows[1], signal[40:140])
    np.testing.assert_array_equal(windows[-1], signal[-100:])
    windows[0, 0] = 7  # its own memory, not a view
    assert signal[0] == 1


def test_a_fitting_signal_is_cut_without_remainder() -> None:
    assert cut_windows(np.ones(180, dtype=np.float32), 100, 40).shape == (3, 100)
    assert cut_windows(np.ones(100, dtype=np.float32), 100, 40).shape == (1, 100)


def test_a_short_signal_stands_in_the_middle_of_zeros() -> None:
    (window,) = cut_windows(np.ones(20, dtype=np.float32), 100, 25)
    assert window[40:60].tolist() == [1.0] * 20
    assert window.sum() == 20
    (empty,) = cut_windows(np.empty(0, dtype=np.float32), 100, 25)
    assert not empty.any()


def test_loud_windows_count_more_but_quiet_ones_too() -> None:
    windows = np.stack([np.full(10, level, dtype=np.float32) for level in (1.0, 0.5, 1e-6)])
    weights = window_weights(windows)
    assert weights.sum() == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(0.5)
    assert weights[2] / weights[0] == pytest.approx(0.002**0.5, rel=1e-3)
    assert window_weights(np.zeros((4, 10), dtype=np.float32)).tolist() == [0.25] * 4


def test_a_clip_s_probabilities_are_the_weighted_mean() -> None:
    answers = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    mean = clip_probabilities(answers, np.array([0.75, 0.25], dtype=np.float32))
    assert mean.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(("window", "hop"), [(0, 1), (10, 0), (10, 11)])
def test_windows_that_leave_gaps_are_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match="must satisfy"):
        cut_windows(np.ones(5, dtype=np.float32), window, hop)
