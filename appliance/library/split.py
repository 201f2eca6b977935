"""Which clips a network learns from and which judge it, so that the figures do not flatter.

Clips of one session go to one side together: a network that has heard a recording's room and
noise recognises the rest of it by those. So do sessions that share a sound: clips that are nearly
the same (`near_duplicates.py`) tie theirs together. Within that, every class is spread as evenly
as its sessions allow, each class counting the same however rare it is. This is what scikit-learn
calls a stratified group k-fold, plus two rules that small sets need: a class with two or more
sessions stands on both sides, and a class with one session (or whose sessions are all tied) is
split inside it, in stretches, near copies on one side where that can be, and marked optimistic.

Small sets are judged by cross-validation (every clip is predicted by a network that has not
heard its session), since a fifth of five clips says nothing; larger ones by a holdout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import InvalidInput
from appliance.library.grouping import assign
from appliance.library.near_duplicates import clusters
from appliance.library.plan import CROSS_VALIDATION, FOLDS, HOLDOUT

TEST_SHARE = 0.2
SMALL_SET = 200
# Up to here cross-validation is affordable when a class would have too few clips in a holdout.
MEDIUM_SET = 1000
FEWEST_TEST_CLIPS = 5

ONE_RECORDING = "one recording"
COPIES = "near copies tie its recordings together"
ENTANGLED = "its recordings cannot be parted from those of other classes"


@dataclass(frozen=True)
class SplitItem:
    """`near`: the clips that are nearly the same sound, whether they are to be split or not."""

    clip: int
    label: str
    session: int
    near: tuple[int, ...] = ()


@dataclass(frozen=True)
class Split:
    """`fold` of each clip: 0..folds-1 under cross-validation; 0 trains and 1 tests under holdout.
    `optimistic`: the labels whose clips of one session stand on both sides, and why. `group` of
    each clip: the session whose side it shares, its own or the first of those tied to it."""

    protocol: str
    folds: int
    fold: dict[int, int]
    optimistic: dict[str, str]
    group: dict[int, int]


@dataclass(frozen=True)
class _Member:
    """A clip to be split: `group` holds together, and `copies` (its near copies' first) more so."""

    clip: int
    label: str
    group: int
    copies: int


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
    items = sorted(items, key=lambda item: item.clip)
    classes: dict[str, list[_Member]] = {}
    sessions: dict[str, set[int]] = {}
    for item, member in zip(items, _members(items), strict=True):
        classes.setdefault(item.label, []).append(member)
        sessions.setdefault(item.label, set()).add(item.session)
    protocol = choose_protocol(len(members) for members in classes.values())

    optimistic = {
        label: ONE_RECORDING if len(sessions[label]) == 1 else COPIES
        for label, members in sorted(classes.items())
        if len({member.group for member in members}) == 1
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
            fold.update({member.clip: assignment.fold[member.group] for member in members})
    group = {member.clip: member.group for members in classes.values() for member in members}
    if protocol == HOLDOUT:
        return Split(protocol, 2, fold, optimistic, group)
    return _without_gaps(fold, optimistic, group)


def _members(items: Sequence[SplitItem]) -> list[_Member]:
    """In the items' order: which groups there are once near copies have tied sessions."""
    copies = clusters((item.clip, other) for item in items for other in item.near)
    held: dict[int, int] = {}
    ties = []
    for item in items:
        if item.clip in copies:
            ties.append((held.setdefault(copies[item.clip], item.session), item.session))
    tied = clusters(ties)
    return [
        _Member(
            item.clip,
            item.label,
            tied.get(item.session, item.session),
            copies.get(item.clip, item.clip),
        )
        for item in items
    ]


def _groups(
    classes: Mapping[str, Sequence[_Member]], optimistic: Mapping[str, str]
) -> dict[int, dict[str, int]]:
    """Of each session that must stay whole: how many clips of which label."""
    groups: dict[int, dict[str, int]] = {}
    for label, members in classes.items():
        if label not in optimistic:
            for member in members:
                counts = groups.setdefault(member.group, {})
                counts[label] = counts.get(label, 0) + 1
    return groups


def _shares(protocol: str, groups: int, divided: Sequence[int]) -> list[float]:
    """The share of each class that each fold should get."""
    if protocol == HOLDOUT:
        return [1 - TEST_SHARE, TEST_SHARE]
    folds = max(2, min(FOLDS, groups + max(divided, default=0)))
    return [1 / folds] * folds


def _within(members: Sequence[_Member], shares: Sequence[float]) -> dict[int, int]:
    """Split one class inside its session, in stretches: neighbours in time are the most alike.
    Near copies are one piece, unless there is nothing else."""
    pieces: dict[tuple[int, int], list[int]] = {}
    for member in sorted(members, key=lambda member: member.clip):
        pieces.setdefault((member.group, member.copies), []).append(member.clip)
    if len(pieces) == 1:
        [copies] = pieces.values()
        pieces = {(0, clip): [clip] for clip in copies}
    count = len(members)
    holdout = len(shares) == 2 and shares[0] != shares[1]
    tested = max(1, round(shares[1] * count)) if count > 1 else 0
    fold: dict[int, int] = {}
    for _, piece in sorted(pieces.items()):
        done = len(fold)
        # Where its middle lies: the first and the last piece never come to the same fold.
        middle = done + (len(piece) - 1) / 2
        last = done + len(piece) == count and count > 1
        chosen = int(done >= count - tested or last) if holdout else middle * len(shares) // count
        fold.update(dict.fromkeys(piece, int(chosen)))
    return fold


def _without_gaps(
    fold: Mapping[int, int], optimistic: dict[str, str], group: dict[int, int]
) -> Split:
    """A fold that nobody fell into would train a network for nothing."""
    used = {old: new for new, old in enumerate(sorted(set(fold.values())))}
    return Split(
        CROSS_VALIDATION,
        len(used),
        {clip: used[old] for clip, old in fold.items()},
        optimistic,
        group,
    )
