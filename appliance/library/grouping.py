"""Sharing whole sessions out to folds, so that every class is spread as its shares ask.

First greedily, the sessions that matter most to some class first; then, where a class with
several sessions came to stand in one fold only, by moving sessions until it stands in two. That
can be impossible (three sessions that each pair of three classes shares, and two folds): such
classes are returned as `inseparable`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How far even folds count against even classes, when they disagree.
SIZE_WEIGHT = 0.01
MOVES = 500


@dataclass(frozen=True)
class Assignment:
    fold: dict[int, int]
    inseparable: list[str]


def assign(
    groups: Mapping[int, Mapping[str, int]], shares: Sequence[float], seed: int
) -> Assignment:
    """`groups`: for each session, its clips by label; `shares`: of each fold, adding up to 1."""
    table = _Table(groups, shares)
    chance = random.Random(seed)
    sessions = sorted(groups)
    chance.shuffle(sessions)
    sessions.sort(key=table.weight, reverse=True)
    for session in sessions:
        table.put(session, min(range(len(shares)), key=lambda fold: table.cost(session, fold)))
    _part(table, chance)
    return Assignment(table.fold, table.together())


class _Table:
    """Who sits where, and what each seat costs."""

    def __init__(self, groups: Mapping[int, Mapping[str, int]], shares: Sequence[float]) -> None:
        self.groups = groups
        self.folds = len(shares)
        self.fold: dict[int, int] = {}
        self.sessions: dict[str, list[int]] = {}
        self.total: dict[str, int] = {}
        for session in sorted(groups):
            for label, count in groups[session].items():
                self.sessions.setdefault(label, []).append(session)
                self.total[label] = self.total.get(label, 0) + count
        self._all = sum(self.total.values())
        self._shares = shares
        self._clips: list[dict[str, int]] = [{} for _ in shares]
        # Of each label, how many of its sessions each fold holds.
        self._held: dict[str, list[int]] = {label: [0] * self.folds for label in self.total}
        self._size = [0] * self.folds

    def weight(self, session: int) -> float:
        """The largest share of a class that this session is."""
        return max(count / self.total[label] for label, count in self.groups[session].items())

    def cost(self, session: int, fold: int) -> float:
        """By how much the squared distance from the wanted shares grows when it sits there."""
        cost = 0.0
        for label, count in self.groups[session].items():
            total = self.total[label]
            over = self._clips[fold].get(label, 0) / total - self._shares[fold]
            share = count / total
            cost += share * share + 2 * share * over
        share = sum(self.groups[session].values()) / self._all
        over = self._size[fold] / self._all - self._shares[fold]
        return cost + SIZE_WEIGHT * (share * share + 2 * share * over)

    def put(self, session: int, fold: int) -> None:
        self.fold[session] = fold
        self._count(session, fold, 1)

    def take(self, session: int) -> int:
        fold = self.fold.pop(session)
        self._count(session, fold, -1)
        return fold

    def _count(self, session: int, fold: int, sign: int) -> None:
        for label, count in self.groups[session].items():
            self._clips[fold][label] = self._clips[fold].get(label, 0) + sign * count
            self._held[label][fold] += sign
            self._size[fold] += sign * count

    def is_together(self, label: str) -> bool:
        """Whether all of the class sits in one fold though it has more than one session."""
        seats = self._held[label]
        return sum(seats) > 1 and sum(1 for count in seats if count) == 1

    def together(self) -> list[str]:
        return sorted(label for label in self.total if self.is_together(label))


def _part(table: _Table, chance: random.Random) -> None:
    """Move sessions until no class sits together, or the moves run out (then the state with the
    fewest such classes is taken): a search by least conflict."""
    best: tuple[int, dict[int, int]] | None = None
    for _ in range(MOVES):
        stuck = table.together()
        if best is None or len(stuck) < best[0]:
            best = (len(stuck), dict(table.fold))
        if not stuck:
            return
        label = chance.choice(stuck)
        moves = []
        for session in table.sessions[label]:
            home = table.take(session)
            for fold in range(table.folds):
                if fold != home:
                    cost = table.cost(session, fold)
                    table.put(session, fold)
                    broken = sum(table.is_together(other) for other in table.groups[session])
                    table.take(session)
                    moves.append((broken, cost, session, fold))
            table.put(session, home)
        fewest = min(move[0] for move in moves)
        good = sorted(move for move in moves if move[0] == fewest)
        # Where every move breaks something, chance keeps the search from going in circles.
        _, _, session, fold = good[0] if not fewest else chance.choice(good)
        table.take(session)
        table.put(session, fold)
    if best is not None and len(table.together()) > best[0]:
        for session, fold in best[1].items():
            if table.fold[session] != fold:
                table.take(session)
                table.put(session, fold)
