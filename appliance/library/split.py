"""Which clips a network learns from and which judge it, so that the figures do not flatter.

Clips of one session go to one side together: a network that has heard a recording's room and
noise recognises the rest of it by those. Within that, every class is spread as evenly as its
sessions allow, each class counting the same however rare it is. This is what scikit-learn calls
a stratified group k-fold, plus two rules that small sets need: a class with two or more sessions
stands on both sides, and a class with one session is split inside it, in stretches, and marked
optimistic.

Small sets are judged by cross-validation (every clip is predicted by a network that has not
heard its session), since a fifth of five clips says nothing; larger ones by a holdout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import InvalidInput
from appliance.library.grouping import assign
from appliance.library.plan import CROSS_VALIDATION, FOLDS, HOLDOUT

TEST_SHARE = 0.2
SMALL_SET = 200
# Up to here cross-validation is affordable when a class would have too few clips in a holdout.
MEDIUM_SET = 1000
FEWEST_TEST_CLIPS = 5

ONE_RECORDING = "one recording"
ENTANGLED = "its recordings cannot be parted from those of other classes"


@dataclass(frozen=True)
class SplitItem:
    clip: int
    label: str
    session: int


@dataclass(frozen=True)
class Split:
    """`fold` of each clip: 0..folds-1 under cross-validation; 0 trains and 1 tests under holdout.
    `optimistic`: the labels whose clips of one session stand on both sides, and why."""

    protocol: str
    folds: int
    fold: dict[int, int]
    optimistic: dict[str, str]


def choose_protocol(clips_per_class: Iterable[int]) -> str:
    """Cross-validation or holdout, by the number of clips of each class."""
    counts = [count for count in clips_per_class if count]
    rare = min(counts, default=0) * TEST_SHARE < FEWEST_TEST_CLIPS
    if sum(counts) < SMALL_SET or (rare and sum(counts) < MEDIUM_SET):
        return CROSS_VALIDATION
    return HOLDOUT


def make_split(items: Sequence[SplitItem], seed: int = 0) -> Split:
    """Split the clips. The same items and seed give the same split.

    Raises InvalidInput when there are fewer than two clips, since nothing can be judged then.
    """
    if len(items) < 2:
        raise InvalidInput("a split needs at least two clips", "label more clips")
    classes: dict[str, list[SplitItem]] = {}
    for item in sorted(items, key=lambda item: item.clip):
        classes.setdefault(item.label, []).append(item)
    protocol = choose_protocol(len(members) for members in classes.values())

    optimistic = {
        label: ONE_RECORDING
        for label, members in sorted(classes.items())
        if len({member.session for member in members}) == 1
    }
    groups = _groups(classes, optimistic)
    shares = _shares(protocol, len(groups), [len(classes[label]) for label in optimistic])
    assignment = assign(groups, shares, seed)
    for label in assignment.inseparable:
        optimistic[label] = ENTANGLED

    fold: dict[int, int] = {}
    for label, members in classes.items():
        if label in optimistic:
            fold.update(_within(members, shares))
        else:
            fold.update({item.clip: assignment.fold[item.session] for item in members})
    if protocol == HOLDOUT:
        return Split(protocol, 2, fold, optimistic)
    return _without_gaps(fold, optimistic)


def _groups(
    classes: Mapping[str, Sequence[SplitItem]], optimistic: Mapping[str, str]
) -> dict[int, dict[str, int]]:
    """Of each session that must stay whole: how many clips of which label."""
    groups: dict[int, dict[str, int]] = {}
    for label, members in classes.items():
        if label not in optimistic:
            for item in members:
                counts = groups.setdefault(item.session, {})
                counts[label] = counts.get(label, 0) + 1
    return groups


def _shares(protocol: str, groups: int, divided: Sequence[int]) -> list[float]:
    """The share of each class that each fold should get."""
    if protocol == HOLDOUT:
        return [1 - TEST_SHARE, TEST_SHARE]
    folds = max(2, min(FOLDS, groups + max(divided, default=0)))
    return [1 / folds] * folds


def _within(members: Sequence[SplitItem], shares: Sequence[float]) -> dict[int, int]:
    """Split one class inside its session, in stretches: neighbours in time are the most alike."""
    ordered = sorted(members, key=lambda item: (item.session, item.clip))
    count = len(ordered)
    if len(shares) == 2 and shares[0] != shares[1]:
        tested = max(1, round(shares[1] * count)) if count > 1 else 0
        return {item.clip: int(n >= count - tested) for n, item in enumerate(ordered)}
    return {item.clip: n * len(shares) // count for n, item in enumerate(ordered)}


def _without_gaps(fold: Mapping[int, int], optimistic: dict[str, str]) -> Split:
    """A fold that nobody fell into would train a network for nothing."""
    used = {old: new for new, old in enumerate(sorted(set(fold.values())))}
    return Split(
        CROSS_VALIDATION, len(used), {clip: used[old] for clip, old in fold.items()}, optimistic
    )
