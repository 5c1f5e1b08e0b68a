"""In: finished runs. Out: methods, each with its training seeds, and which is the + of which."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
        return differences(*paired_runs(self.plus, self.base), metrics)


def entries_of(runs: Sequence[Run]) -> tuple[Entry, ...]:
    """Group runs: equal but for the training's seed is one method.

    Raises:
        ComparisonError: if two runs' numbers do not mean the same thing, or two are of one method
            and one training seed.
    """
    refuse_differences([(str(run.path), run_key(run)) for run in runs])
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


def paired_runs(first: Entry, second: Entry) -> tuple[list[Run], list[Run]]:
    """As many runs of two methods: those of one training seed side by side, then the others."""
    ours, theirs = list(first.runs), list(second.runs)
    pairs = []
    for run in first.runs:
        same = next((other for other in theirs if seed_of(other) == seed_of(run)), None)
        if same is not None:
            ours.remove(run)
            theirs.remove(same)
            pairs.append((run, same))
    pairs += zip(ours, theirs, strict=False)
    return [run for run, _ in pairs], [other for _, other in pairs]


def seed_of(run: Run) -> Json:
    """The seed of a run's training; None if it has none, or does not tell."""
    info = setting(run, "settings", "generator", "info", "settings")
    training = info.get("training") if isinstance(info, dict) else None
    return training.get("seed") if isinstance(training, dict) else None


def entry_rows(entries: Sequence[Entry]) -> pd.DataFrame:
    """A row a method, training seed and subject; see `pdst.experiments.tables.subject_rows`.

    Where a run does not tell its seed, its place among the method's runs stands for it.
    """
    return pd.concat(
        [
            subject_rows(run, method=entry.name, seed=seed if isinstance(seed, int) else place)
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
    counts = Counter(short(entry.name) for entry in entries)
    return {
        entry.name: short(entry.name) if counts[short(entry.name)] == 1 else entry.name
        for entry in entries
    }


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
