"""In: one subject's photos and which of them belong together. Out: who trains, tests, is left over.

Photos that may be one shot, and photos of one session, never stand on both sides of the split: a
method that copies a training photo must not be rewarded for it.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """Two photos that must not be parted by the split, and why."""

    one: str
    other: str
    why: str


def choose_split(
    photos: Sequence[str], bonds: Iterable[Bond], *, train: int, test: int, seed: str
) -> Mapping[str, str] | None:
    """Choose by seed, and keep bonded photos on one side.

    The groups of bonded photos are shuffled, then given to train while train needs photos and test
    can still be filled from the rest, else to test.

    Args:
        photos: names.
        bonds: between them.
        train: how many train.
        test: how many test.
        seed: another one chooses differently.

    Returns:
        Name -> "train", "test" or "reserve"; None if no choice keeps all bonds.
    """
    chance = random.Random(seed)  # a text seeds the same on every machine
    groups = bonded_groups(photos, bonds)
    chance.shuffle(groups)
    for group in groups:
        chance.shuffle(group)
    sides = _sides([len(group) for group in groups], train, len(photos) - test)
    if sides is None:
        return None
    split: dict[str, str] = {}
    free = {"train": train, "test": test}
    for group, to_train in zip(groups, sides, strict=True):
        side = "train" if to_train else "test"
        for name in group:
            split[name] = side if free[side] else "reserve"
            free[side] -= free[side] > 0
    return split


def bonded_groups(photos: Sequence[str], bonds: Iterable[Bond]) -> list[list[str]]:
    """Photos linked by bonds, at any distance; a photo without one is a group alone."""
    group_of = {name: [name] for name in photos}
    for bond in bonds:
        one, other = group_of[bond.one], group_of[bond.other]
        if one is not other:
            one += other
            group_of.update(dict.fromkeys(other, one))
    seen: dict[int, list[str]] = {id(group): group for group in group_of.values()}
    return [sorted(group) for group in seen.values()]


def _sides(sizes: Sequence[int], low: int, high: int) -> list[bool] | None:
    """Which groups go to train, so that it gets from `low` to `high` photos; None: impossible."""
    reachable = [{0}]  # sums that the last groups can give, from the end
    for size in reversed(sizes):
        reachable.append(reachable[-1] | {total + size for total in reachable[-1]})
    reachable.reverse()

    def possible(total: int, rest: int) -> bool:
        return any(low <= total + more <= high for more in reachable[rest])

    if not possible(0, 0):
        return None
    total, sides = 0, []
    for index, size in enumerate(sizes):
        wanted = total < low and possible(total + size, index + 1)
        take = wanted or not possible(total, index + 1)
        total += size * take
        sides.append(take)
    return sides
