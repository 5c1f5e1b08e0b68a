"""In: finished runs. Out: methods, each with its training seeds, and which is the + of which."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd

from pdst.digest import Json, canonical_json
from pdst.errors import ComparisonError
from pdst.experiments.tables import Difference, differences, subject_rows
from pdst.keys import refuse_differences, run_key, setting
from pdst.methods.names import LEARNED
from pdst.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One method.

    Attributes:
        name: as its runs call it ("NeTI+ (miniature)"); made distinct where settings differ.
        method: the same, not made distinct.
        runs: one a training seed.
    """

    name: str
    method: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlusPair:
    """A method and the same with the + pipeline."""

    base: Entry
    plus: Entry

    def differences(self, metrics: Sequence[str]) -> tuple[Difference, ...]:
        """Plus minus base, training seed by training seed, as far as both have them."""
        found = self.pairing
        return differences(found.first, found.second, metrics)

    @property
    def pairing(self) -> "Pairing":
        """Their runs, side by side."""
        return pairing(self.plus, self.base)


def entries_of(runs: Sequence[Run]) -> tuple[Entry, ...]:
    """Group runs: equal but for the training's seed is one method.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing, two are of one method and
            one training seed, or one is given twice.
    """
    refuse_differences([(str(run.path), run_key(run)) for run in runs])
    places = Counter(run.path.resolve() for run in runs)
    twice = [str(path) for path, count in places.items() if count > 1]
    if twice:
        raise ComparisonError(
            f"{', '.join(twice)} is given twice: it would count as two training seeds. Give it "
            "once."
        )
    groups: dict[str, list[Run]] = {}
    for run in runs:
        own = groups.setdefault(_identity(run), [])
        again = next((other for other in own if seed_of(other) == seed_of(run)), None)
        if again is not None and seed_of(run) is not None:
            raise ComparisonError(
                f"{again.path} and {run.path} are of one method and one training seed: they would "
                "count as two seeds. Give one of them."
            )
        own.append(run)
    firsts = [own[0] for own in groups.values()]
    methods = Counter(_name(run) for run in firsts)
    folders = Counter((_name(run), run.path.name) for run in firsts)
    return tuple(
        Entry(
            name=_name(run)
            if methods[_name(run)] == 1
            else f"{_name(run)} [{run.path.name}]"
            if folders[_name(run), run.path.name] == 1
            else f"{_name(run)} [{run.path}]",
            method=_name(run),
            runs=tuple(own),
        )
        for run, own in zip(firsts, groups.values(), strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Runs of two methods, side by side.

    Attributes:
        first, second: as many of both: those of one training seed, then the others in order.
        apart: the pairs whose training seeds differ.
        unpaired: runs of either that are in no pair.
    """

    first: tuple[Run, ...]
    second: tuple[Run, ...]
    apart: tuple[tuple[Run, Run], ...]
    unpaired: tuple[Run, ...]

    def told(self, first: str, second: str) -> str:
        """What a reader must know of it, by the methods' names; empty if all seeds meet."""
        parts = []
        if self.apart:
            listed = ", ".join(
                f"{seed_of(one)} beside {seed_of(other)}" for one, other in self.apart
            )
            parts.append(f"training seeds {listed}")
        if self.unpaired:
            seeds = ", ".join(str(seed_of(run)) for run in self.unpaired)
            parts.append(f"{seeds} beside none, left out")
        if not parts:
            return ""
        return f"{first} and {second} were not trained with the same seeds: {'; '.join(parts)}."


def pairing(first: Entry, second: Entry) -> Pairing:
    """Put the runs of two methods side by side, those of one training seed first."""
    ours, theirs = list(first.runs), list(second.runs)
    pairs = []
    for run in first.runs:
        same = next((other for other in theirs if seed_of(other) == seed_of(run)), None)
        if same is not None:
            ours.remove(run)
            theirs.remove(same)
            pairs.append((run, same))
    apart = tuple(zip(ours, theirs, strict=False))
    pairs += apart
    return Pairing(
        first=tuple(run for run, _ in pairs),
        second=tuple(other for _, other in pairs),
        apart=apart,
        unpaired=(*ours[len(apart) :], *theirs[len(apart) :]),
    )


def seed_of(run: Run) -> Json:
    """The seed of a run's training; None if it has none, or does not tell."""
    info = setting(run, "settings", "generator", "info", "settings")
    training = info.get("training") if isinstance(info, dict) else None
    return training.get("seed") if isinstance(training, dict) else None


def entry_rows(entries: Sequence[Entry], cases: Collection[str] | None = None) -> pd.DataFrame:
    """A row a method, training seed and subject; see `pdst.experiments.tables.subject_rows`.

    Where a run does not tell its seed, its place among the method's runs stands for it.

    Args:
        entries: whose.
        cases: keys of those that count; None: each run's own.
    """
    return pd.concat(
        [
            subject_rows(
                run,
                cases=cases,
                method=entry.name,
                seed=seed if isinstance(seed, int) else place,
            )
            for entry in entries
            for place, run in enumerate(entry.runs)
            for seed in [seed_of(run)]
        ],
        ignore_index=True,
    )


def plus_pairs(entries: Sequence[Entry]) -> tuple[PlusPair, ...]:
    """Every method that is there with and without the + pipeline: "TI (x)" and "TI+ (x)"."""
    return tuple(
        PlusPair(base=entry, plus=plus)
        for entry in entries
        for plus in entries
        if plus.method == with_plus(entry.method)
    )


def labels(entries: Sequence[Entry]) -> dict[str, str]:
    """From a method's name to what a sentence calls it: short where that is one method's alone."""
    return short_names([entry.name for entry in entries])


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The same for names alone.

    >>> short_names(["TI (miniature)", "NeTI (miniature)", "NeTI (sd15)"])
    {'TI (miniature)': 'TI', 'NeTI (miniature)': 'NeTI (miniature)', 'NeTI (sd15)': 'NeTI (sd15)'}
    """
    counts = Counter(short(name) for name in names)
    return {name: short(name) if counts[short(name)] == 1 else name for name in names}


def undistinguished(name: str) -> str:
    """A method's name without what sets it apart from another of that name.

    >>> undistinguished("TI (miniature) [seed-0]"), undistinguished("TI (miniature)")
    ('TI (miniature)', 'TI (miniature)')
    """
    return name.partition(" [")[0]


def with_plus(name: str) -> str:
    """What the + variant of a method is called.

    >>> with_plus("TI (miniature)"), with_plus("NeTI")
    ('TI+ (miniature)', 'NeTI+')
    """
    method, blank, base = name.partition(" (")
    return f"{method}+{blank}{base}"


def short(name: str) -> str:
    """A method without its base model.

    >>> short("TI+ (miniature)")
    'TI+'
    """
    return name.partition(" (")[0]


def _name(run: Run) -> str:
    return str(setting(run, "settings", "generator", "info", "name"))


def _identity(run: Run) -> str:
    """All of a run's generator but the seed of its training, and what was learned with it."""
    info = dict(cast("Mapping[str, Json]", setting(run, "settings", "generator", "info")))
    settings = info["settings"]
    if isinstance(settings, dict) and isinstance(settings.get("training"), dict):
        training = cast("dict[str, Json]", settings["training"])
        unseeded: Json = {name: one for name, one in training.items() if name != "seed"}
        kept = {name: one for name, one in settings.items() if name != LEARNED}
        info["settings"] = {**kept, "training": unseeded}
    return canonical_json(info)
