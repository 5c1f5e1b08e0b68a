"""In: methods' short names and arguments. Out: generators, and their runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pdst.digest import Json
from pdst.errors import GeneratorError, SettingsError, unknown_name
from pdst.experiments.study import Study
from pdst.loading import LoadedGenerator, load_generator, parse_arguments
from pdst.methods.names import TRAINED
from pdst.run import Run
from pdst.types import Benchmark

WITH_BASE = ("class-noun",)
"""Methods that are not trained and draw with a base model."""

SAMPLED_WITH: Mapping[str, str] = {
    "sampling_steps": "steps",
    "images_per_pass": "batch",
    **{name: name for name in ("guidance", "resolution", "device", "dtype")},
}
"""Arguments of trained methods that say how to draw, and what those in WITH_BASE call them: given
for all methods, they hold for these too, or methods would be compared that draw differently."""

WITH_ATTRACTOR = ("ti+", "neti+")

FIXED: Mapping[str, str] = {
    "base": "all methods have one base model: --base",
    "checkpoints": "they lie in the experiment's folder: --out",
}
"""Arguments that no method is given by hand, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How methods are made.

    Attributes:
        base: the base model of all that have one.
        steps: of training; None: each method's own.
        common: arguments of every trained method; of those in WITH_BASE as far as SAMPLED_WITH.
        own: method -> arguments of it alone; before `common` and `steps`.
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
                drawn = {
                    SAMPLED_WITH[one]: v for one, v in self.common.items() if one in SAMPLED_WITH
                }
                own = {"base": self.base, **drawn, **own}
            try:
                return load_generator(method, own, benchmark=benchmark)
            except GeneratorError as error:  # its advice is pdst-eval's, which has one method
                said = re.sub(r"--model-arg (?=\w+=)", f"--model-arg {method}:", str(error))
                raise GeneratorError(said) from error
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

    Each is built once before the first one is trained: a name or argument that is wrong is found in
    seconds, not after hours.

    Raises:
        GeneratorError: if there is no such method, or it cannot learn or draw a subject.
        PdstError: as the methods, if an argument cannot work.
    """
    for name in names[1:]:  # the first one is built at once
        recipe.make(name, benchmark=study.benchmark)
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


def parse_recipe(
    base: str,
    steps: int | None,
    pairs: Sequence[str],
    *,
    methods: Sequence[str],
    fixed: Mapping[str, str] = {},
) -> Recipe:
    """Read `key=value` (every trained method) and `method:key=value` (one).

    Args:
        base: as in `Recipe`.
        steps: as in `Recipe`.
        pairs: as given.
        methods: that the experiment draws with.
        fixed: arguments that the experiment sets itself, and why, besides FIXED.

    Raises:
        GeneratorError: as `parse_arguments`.
        SettingsError: if a pair is for a method that is not drawn, or would be overridden; if
            nothing that is drawn takes an argument for all, or has steps.
    """
    common: list[str] = []
    own: dict[str, list[str]] = {}
    for pair in pairs:
        head, equals, value = pair.partition("=")
        method, colon, key = head.rpartition(":") if equals else ("", "", head)
        for name, reason in {**FIXED, **fixed}.items():
            if key == name:
                raise SettingsError(f"--model-arg {pair}: {reason}. Leave it out.")
        if not colon:
            common.append(pair)
        elif method in methods:
            own.setdefault(method, []).append(f"{key}{equals}{value}")
        else:
            raise SettingsError(
                f"--model-arg {pair}: " + unknown_name("method of this experiment", method, methods)
            )
    shared = parse_arguments(common)
    _require_takers(shared, steps, methods)
    if steps is not None and "steps" in shared:
        raise SettingsError(
            f"--steps is {steps}, and --model-arg steps={shared['steps']}. Give one of them."
        )
    return Recipe(
        base=base,
        steps=steps,
        common=shared,
        own={method: parse_arguments(mine) for method, mine in own.items()},
    )


def _require_takers(shared: Mapping[str, Json], steps: int | None, methods: Sequence[str]) -> None:
    """Refuse what no method takes: a method given by name alone takes only its own arguments."""
    if any(method in TRAINED for method in methods):
        return
    listed = ", ".join(methods)
    if steps is not None:
        raise SettingsError(f"--steps is {steps}, but none of {listed} is trained. Leave it out.")
    drawn = any(method in WITH_BASE for method in methods)
    for name in shared:
        if not (drawn and name in SAMPLED_WITH):
            raise SettingsError(
                f"--model-arg {name}=…: it is for trained methods, and none of {listed} is one. "
                f"For one of them: --model-arg {methods[0]}:{name}=…"
            )
