"""In: what is asked of the grid. Out: its plan, and the study that draws just what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from pdst.digest import Json, digest_json
from pdst.errors import SettingsError, unknown_name
from pdst.experiments.study import Study
from pdst.plan import plan as plan_cases
from pdst.types import SLOT, Benchmark, Protocol, Sampling, TestPhoto

FICTIONAL = ("A colorful graffiti of {}.", "A photo of a {} on a beach.")
"""The prompts of the paper's Fig. 13."""

REFERENCES = ("held-out", "training")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """Which rows and how many images.

    Attributes:
        prompts: the same for every subject, with one `{}` each; empty: captions of the subject's
            first held-out photo.
        captions: how many of those; not used with prompts.
        images: a prompt and method, of the first seeds.
        training: whether all training photos stand in front, or the held-out photo.
    """

    prompts: tuple[str, ...] = ()
    captions: int = 1
    images: int = 1
    training: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for prompt in self.prompts:
            if prompt.count(SLOT) != 1:
                raise SettingsError(
                    f"--prompt is '{prompt}', wanted one {SLOT} in it: '{FICTIONAL[0]}'."
                )
        for name in ("captions", "images"):
            if getattr(self, name) < 1:
                raise SettingsError(f"--{name} is {getattr(self, name)}, wanted at least 1.")

    @property
    def metrics(self) -> tuple[str, str]:
        """One for the subject, one for the prompt.

        No held-out photo shows what a prompt of one's own says: similarity is then that to the
        training photos.
        """
        return ("dino_train" if self.prompts else "dino", "clip_t")

    @property
    def each(self) -> int:
        """How many prompts are asked for of a subject."""
        return len(self.prompts) or self.captions

    @property
    def fictional(self) -> bool:
        """Whether its prompts are the paper's own, of Fig. 13."""
        return bool(self.prompts) and set(self.prompts) <= set(FICTIONAL)


def grid_plan(
    prompts: Sequence[str], captions: int, images: int, reference: str, *, of_runs: bool = False
) -> GridPlan:
    """Read what was asked for.

    Args:
        prompts: "fictional" stands for FICTIONAL.
        captions: as `GridPlan`.
        images: as `GridPlan`.
        reference: of REFERENCES.
        of_runs: whether finished runs are shown, which have drawn captions already.

    Raises:
        SettingsError: if it cannot be drawn.
    """
    if prompts and captions != 1:
        raise SettingsError(
            f"--captions is {captions} beside --prompt, which stands in place of captions. Leave "
            "one of them."
        )
    if prompts and of_runs:
        raise SettingsError("--prompt is for methods that are drawn now, not for runs. Leave it.")
    said = [
        one for prompt in prompts for one in (FICTIONAL if prompt == "fictional" else (prompt,))
    ]
    if reference not in REFERENCES:
        raise SettingsError(unknown_name("reference", reference, REFERENCES))
    return GridPlan(
        prompts=tuple(dict.fromkeys(said)),
        captions=captions,
        images=images,
        training=reference == "training",
    )


def grid_study(study: Study, plan: GridPlan) -> Study:
    """The study whose runs hold just what the grid shows.

    Its cases have the names that they have in an ordinary run, and so the same noise.
    """
    tests = _tests(study.benchmark, study.subject_ids, plan)
    if not tests:
        raise SettingsError("No subject has a held-out photo. Check it with `pdst validate`.")
    shown = [[test.subject_id, test.photo.image_id, list(test.captions)] for test in tests]
    benchmark = replace(
        study.benchmark,
        name=cut_name(study.benchmark),
        fingerprint=digest_json(["grid-1", study.benchmark.fingerprint, cast("Json", shown)]),
        test=tests,
    )
    protocol = _protocol(tests, plan, study.settings.protocol.sampling)
    settings = replace(study.settings, protocol=protocol)
    return replace(study, benchmark=benchmark, settings=settings)


def cut_name(benchmark: Benchmark) -> str:
    """What a benchmark is called of which only what the grid shows is left."""
    return f"{benchmark.name} grid"


def _protocol(tests: Sequence[TestPhoto], plan: GridPlan, sampling: Sampling) -> Protocol:
    return Protocol(
        name="grid",
        captions_per_photo=max((len(test.captions) for test in tests), default=1),
        images_per_caption=plan.images,
        sampling=sampling,
    )


def _tests(
    benchmark: Benchmark, subject_ids: Sequence[str], plan: GridPlan
) -> tuple[TestPhoto, ...]:
    """Each subject's first held-out photo, with the prompts that are asked for."""
    return tuple(
        replace(test, captions=plan.prompts or test.captions[: plan.captions])
        for subject_id in subject_ids
        for test in benchmark.test_photos(subject_id)[:1]
    )


def planned_cases(benchmark: Benchmark, plan: GridPlan) -> list[str]:
    """The keys of all cases that are asked for, in the benchmark's order."""
    tests = _tests(benchmark, [one.subject_id for one in benchmark.subjects], plan)
    chunks = plan_cases(replace(benchmark, test=tests), _protocol(tests, plan, Sampling()))
    return [case.key for chunk in chunks for case in chunk.cases]
