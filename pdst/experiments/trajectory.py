"""In: a method that trains. Out: the same method as it stood after each of some steps.

A subject trains once, to the last step; what it had learned on the way is kept and drawn with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pdst.errors import SettingsError
from pdst.experiments.recipes import Recipe
from pdst.experiments.study import Study
from pdst.generator import Generator, Sampler
from pdst.loading import LoadedGenerator
from pdst.methods.names import TRAINED
from pdst.types import Subject

if TYPE_CHECKING:
    from pdst.diffusion.training import TrainingOptions


def _unheard(share: float) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One training a subject, looked at on its way.

    Attributes:
        loaded: the method, set to as many training steps as the last of `steps`.
        folder: of its checkpoints.
        steps: at which it is looked at.
    """

    loaded: LoadedGenerator
    folder: Path
    steps: tuple[int, ...]

    def at(self, step: int) -> LoadedGenerator:
        """The method as it stands after so many steps."""
        at_step = AtStep(self.loaded.generator, self.folder, self.steps, step)
        return replace(self.loaded, generator=at_step)


class AtStep:
    """A generator that draws with what its method had learned after some steps."""

    def __init__(self, method: Generator, folder: Path, steps: Sequence[int], step: int) -> None:
        """Keep all; whoever learns first, learns for all steps."""
        self._method: Any = method
        self._folder, self._steps, self._step = folder, tuple(steps), step
        info = method.info
        self.info = replace(info, settings={**info.settings, "after_steps": step})

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Train several subjects to the last step together, if the method can."""
        if hasattr(self._method, "learn_all"):
            folders = [self._folder / one.subject_id for one in subjects]
            self._method.learn_all(subjects, folders, self._options(progress))

    def personalize(self, subject: Subject) -> Sampler:
        """Train the subject to the last step, unless that is done, and take what was kept.

        Raises:
            SettingsError: if the folder holds a training of other settings, or did not keep this
                step.
        """
        own = self._folder / subject.subject_id
        self._method.learn(subject, own, self._options(_unheard))
        kept = own / f"step-{self._step}"
        if not kept.is_dir():
            raise SettingsError(
                f"{own} was trained without keeping step {self._step}. Give the steps that it was "
                "begun with, or another --out."
            )
        return cast("Sampler", self._method.sampler(subject, kept))

    def _options(self, progress: Callable[[float], None]) -> "TrainingOptions":
        from pdst.diffusion.training import TrainingOptions

        options = TrainingOptions(keep=self._steps, progress=progress)
        # A whole network's state is large: such a method says how seldom to write it.
        seldom = getattr(self._method, "SAVE_EVERY", options.save_every)
        return replace(options, save_every=seldom)


def trajectories(
    study: Study, recipe: Recipe, method: str, steps: Sequence[int], seeds: int
) -> list[Callable[[int], LoadedGenerator]]:
    """A method along its training, once a training seed: from a step to the method there.

    Raises:
        GeneratorError: if there is no such method.
        SettingsError: if the method is not trained, or the recipe too says how long.
    """
    _refuse_own_length(recipe, method)
    own = replace(recipe, steps=max([*steps, 1]))
    found: list[Callable[[int], LoadedGenerator]] = []
    for seed in range(seeds):
        folder = study.checkpoints(f"seed-{seed}")
        loaded = own.make(method, benchmark=study.benchmark, checkpoints=folder, seed=seed)
        if method not in TRAINED:
            raise SettingsError(
                f"{loaded.spec} has no training to look at. Wanted one of {', '.join(TRAINED)}."
            )
        found.append(Trajectory(loaded=loaded, folder=folder, steps=tuple(steps)).at)
    return found


def _refuse_own_length(recipe: Recipe, method: str) -> None:
    """Refuse an argument that would take the place of the experiment's own last step.

    Raises:
        SettingsError: if there is one.
    """
    for head, arguments in (("", recipe.common), (f"{method}:", recipe.own.get(method, {}))):
        if "steps" in arguments:
            raise SettingsError(
                f"--model-arg {head}steps={arguments['steps']}: bias trains to the last of "
                "--steps. Leave it out."
            )
