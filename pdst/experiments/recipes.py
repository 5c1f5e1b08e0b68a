"""In: methods' short names and arguments. Out: generators, and their runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.experiments.study import Study
from pdst.loading import LoadedGenerator, load_generator, parse_arguments
from pdst.methods.names import TRAINED
from pdst.run import Run
from pdst.types import Benchmark

WITH_BASE = ("class-noun",)
"""Methods that are not trained and draw with a base model."""

WITH_ATTRACTOR = ("ti+", "neti+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How methods are made.

    Attributes:
        base: the base model of all that have one.
        steps: of training; None: each method's own.
        common: arguments of every trained method.
        own: method -> arguments of it alone.
    """

    base: str = "miniature"
    steps: int | None = None
    common: Mapping[str, Json] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    def make(
        self,
        method: str,
        *,
        benchmark: Benchmark,
        checkpoints: Path | None = None,
        seed: int | None = None,
        **more: Json,
    ) -> LoadedGenerator:
        """Build a method.

        Args:
            method: a name in TRAINED, or anything that `pdst-eval --model` takes.
            benchmark: handed to reference rows that ask for it.
            checkpoints: where a trained method keeps what it learns; decides no number, so it is
                no part of a run's settings.
            seed: of training.
            more: further arguments of a trained method.

        Raises:
            GeneratorError: if there is no such method, or it does not take an argument.
        """
        own = dict(self.own.get(method, {}))
        if method not in TRAINED:
            if method in WITH_BASE:
                own = {"base": self.base, **own}
            return load_generator(method, own, benchmark=benchmark)
        given: dict[str, Json] = {"base": self.base}
        if self.steps is not None:
            given["steps"] = self.steps
        if seed is not None:
            given["seed"] = seed
        given |= {**self.common, **own, **more}
        kept: dict[str, Json] = {} if checkpoints is None else {"checkpoints": str(checkpoints)}
        loaded = load_generator(
            f"pdst.methods:{TRAINED[method]}", {**given, **kept}, benchmark=benchmark
        )
        return replace(loaded, arguments=given)


def draw_methods(study: Study, recipe: Recipe, names: Sequence[str], seeds: int) -> list[Run]:
    """Draw and score methods, those that are trained once a training seed.

    Raises:
        GeneratorError: if there is no such method, or it cannot learn or draw a subject.
    """
    runs = []
    for name in names:
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", name)
        for seed in range(seeds if name in TRAINED else 1):
            method = recipe.make(
                name,
                benchmark=study.benchmark,
                checkpoints=study.checkpoints(f"{safe}-seed-{seed}"),
                seed=seed,
            )
            runs.append(study.run(f"{safe}-seed-{seed}", method))
    return runs


def require_attractor(method: str) -> None:
    """Refuse a method without the + pipeline.

    Raises:
        SettingsError: if it is none of WITH_ATTRACTOR.
    """
    if method not in WITH_ATTRACTOR:
        raise SettingsError(
            f"--method is '{method}', wanted {' or '.join(WITH_ATTRACTOR)}: only these have an "
            "attractor and a contrastive loss."
        )


def parse_recipe(base: str, steps: int | None, pairs: Sequence[str]) -> Recipe:
    """Read `key=value` (every trained method) and `method:key=value` (one).

    Raises:
        GeneratorError: as `parse_arguments`.
    """
    common: list[str] = []
    own: dict[str, list[str]] = {}
    for pair in pairs:
        head, colon, rest = pair.partition(":")
        if colon and "=" not in head:
            own.setdefault(head, []).append(rest)
        else:
            common.append(pair)
    return Recipe(
        base=base,
        steps=steps,
        common=parse_arguments(common),
        own={method: parse_arguments(mine) for method, mine in own.items()},
    )
