"""In: a generator. Out: whether it keeps the contract of `pdst.generator`, claim by claim."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from pdst.digest import digest_bytes
from pdst.generator import CaseSampler, Generator, GeneratorInfo, Sampler
from pdst.images import RGB
from pdst.outputs import as_image
from pdst.plan import plan
from pdst.testing.contract import CheckResult, broken, run_checks
from pdst.testing.drawn import drawn_benchmark
from pdst.types import Benchmark, Case, Protocol, Subject

_SEEDS = 3


class Trial:
    """A generator at work on one subject, which it learns once, when first needed."""

    def __init__(
        self,
        generator: Generator,
        subject: Subject | None = None,
        *,
        benchmark: Benchmark | None = None,
        tolerance: int = 1,
    ) -> None:
        """Choose what to draw.

        Args:
            generator: to be checked.
            subject: to learn; default: the benchmark's first.
            benchmark: whose captions are drawn; default: `drawn_benchmark()`. A `CaseSampler` wants
                the one that it was made for.
            tolerance: by how many levels of 255 the pixels of one (prompt, seed) may differ when
                the rest of the batch is another. 1 allows for float arithmetic that is summed in
                another order; diffusion in half precision needs more.
        """
        self.generator = generator
        self.benchmark = benchmark or drawn_benchmark()
        self.subject = subject or self.benchmark.subjects[0]
        self.tolerance = tolerance
        self._sampler: Sampler | CaseSampler | None = None
        self._images: list[RGB] | None = None
        self._described = _described(self.subject)

    @property
    def cases(self) -> tuple[Case, ...]:
        """What most checks draw: three seeds of one prompt, and another prompt."""
        first, *others = self.prompts()
        another = sorted(
            (case for case in others if case.prompt != first.prompt),
            key=lambda case: (case.image_id == first.image_id, len(case.prompt)),
        )
        return (*(replace(first, seed_index=index) for index in range(_SEEDS)), *another[:1])

    def prompts(self, subject: Subject | None = None) -> tuple[Case, ...]:
        """The first seed of every caption of two test photos: the subject's own, if it has some."""
        subject = subject or self.subject
        known = {test.subject_id for test in self.benchmark.test}
        lender = subject.subject_id if subject.subject_id in known else min(known)
        one_each = Protocol(name="trial", captions_per_photo=None, images_per_caption=1)
        chunks = plan(self.benchmark, one_each, subjects=[lender])[:2]
        return tuple(
            replace(case, subject_id=subject.subject_id) for chunk in chunks for case in chunk.cases
        )

    def other_subject(self) -> Subject:
        """A subject that is not the one on trial."""
        subjects = (*self.benchmark.subjects, *drawn_benchmark().subjects)
        return next(s for s in subjects if s.subject_id != self.subject.subject_id)

    def sampler(self) -> Sampler | CaseSampler:
        """The generator's sampler for the subject, learned on the first call.

        Raises:
            BrokenContractError: if it is none.
        """
        if self._sampler is None:
            self._sampler = _personalized(self.generator, self.subject)
        return self._sampler

    def images(self) -> list[RGB]:
        """The images of `cases`, drawn together, on the first call."""
        if self._images is None:
            self._images = self.draw(self.cases)
        return self._images

    def draw(
        self, cases: Sequence[Case], sampler: Sampler | CaseSampler | None = None
    ) -> list[RGB]:
        """Draw cases in one batch; each image as (H, W, 3) uint8.

        Raises:
            BrokenContractError: for the wrong number of images, or one that is none.
        """
        return _drawn(sampler or self.sampler(), cases)

    def subject_is_untouched(self) -> bool:
        """Whether the subject still is what it was."""
        return _described(self.subject) == self._described


def check_info_is_plain(trial: Trial) -> None:
    """`info` is a GeneratorInfo, and the same each time."""
    info: object = trial.generator.info
    if not isinstance(info, GeneratorInfo):
        broken(f"info is a {type(info).__name__}, wanted a pdst.generator.GeneratorInfo.")
    if trial.generator.info != info:
        broken(
            f"info changes from one look to the next: {info}, then {trial.generator.info}. It is "
            "written into every result: return the same each time."
        )


def check_personalize_gives_a_sampler(trial: Trial) -> None:
    """`personalize` returns an object with `sample` (or, for baselines, `sample_cases`)."""
    trial.sampler()


def check_one_image_per_prompt(trial: Trial) -> None:
    """N prompts and seeds give N images, for one prompt as for several."""
    _sampled(trial.sampler(), trial.cases[:1])
    _sampled(trial.sampler(), trial.cases)


def check_images_are_valid(trial: Trial) -> None:
    """Images are PIL images, or (H, W, 3) arrays: uint8, or floats in [0, 1]; no NaN, not black."""
    trial.images()


def check_order_is_kept(trial: Trial) -> None:
    """The n-th image belongs to the n-th prompt and seed: prompts in reverse, images in reverse."""
    backwards = trial.draw(trial.cases[::-1])[::-1]
    _require_equal(
        trial, "drawn in reverse", backwards, trial.tolerance, "return images in the prompts' order"
    )


def check_same_seed_same_pixels(trial: Trial) -> None:
    """The same call again gives exactly the same pixels."""
    again = trial.draw(trial.cases)
    advice = "draw all randomness from the seeds that come with the prompts"
    _require_equal(trial, "drawn again", again, 0, advice)


def check_batch_size_does_not_matter(trial: Trial) -> None:
    """One by one and in pairs, the images are those of the whole batch, within the tolerance."""
    advice = "give each image a generator of its own, seeded with its own seed"
    for size in (1, 2):
        parts = [trial.cases[start : start + size] for start in range(0, len(trial.cases), size)]
        images = [image for part in parts for image in trial.draw(part)]
        _require_equal(trial, f"drawn in batches of {size}", images, trial.tolerance, advice)


def check_seeds_differ(trial: Trial) -> None:
    """Three seeds of one prompt do not all give one image."""
    first, *others = trial.images()[:_SEEDS]
    if all(np.array_equal(first, other) for other in others):
        broken(
            f"{_SEEDS} seeds of the prompt '{trial.cases[0].prompt}' give one and the same image: "
            "use the seeds."
        )


def check_inputs_are_untouched(trial: Trial) -> None:
    """Neither the lists of prompts and seeds nor the subject are changed."""
    sampler, cases = trial.sampler(), list(trial.cases[:2])
    prompts, seeds = [case.prompt for case in cases], [case.seed for case in cases]
    if isinstance(sampler, CaseSampler):
        sampler.sample_cases(cases)
    else:
        sampler.sample(prompts, seeds)
    wanted = list(trial.cases[:2])
    if (
        cases != wanted
        or prompts != [case.prompt for case in wanted]
        or seeds != [case.seed for case in wanted]
    ):
        broken("sampling changes the lists it is given: work on copies.")
    if not trial.subject_is_untouched():
        broken("the subject is no longer what it was: work on copies.")


def check_a_long_prompt_is_drawn(trial: Trial) -> None:
    """The longest caption (over 77 CLIP tokens in the drawn benchmark) gives an image."""
    trial.draw([max(trial.prompts(), key=lambda case: len(case.prompt))])


def check_global_random_state_does_not_matter(trial: Trial) -> None:
    """Whatever `random`, `numpy.random` and torch were seeded with, the pixels are the same."""
    with _global_seed(1):
        one = trial.draw(trial.cases)
    with _global_seed(2):
        two = trial.draw(trial.cases)
    advice = "make a random generator from each image's seed and hand it to every random call"
    _require_equal(trial, "drawn with the global random state seeded with 1", one, 0, advice)
    _require_equal(trial, "drawn with the global random state seeded with 2", two, 0, advice)


def check_a_second_subject_does_not_change_the_first(trial: Trial) -> None:
    """After another subject was learned and drawn, the first sampler draws what it drew before."""
    trial.images()  # before
    other = trial.other_subject()
    trial.draw(trial.prompts(other)[:1], _personalized(trial.generator, other))
    after = trial.draw(trial.cases)
    advice = "keep what is learned in the sampler, not in the generator or a shared model"
    _require_equal(trial, f"drawn after '{other.subject_id}' was learned", after, 0, advice)


GENERATOR_CHECKS: tuple[Callable[[Trial], None], ...] = (
    check_info_is_plain,
    check_personalize_gives_a_sampler,
    check_one_image_per_prompt,
    check_images_are_valid,
    check_order_is_kept,
    check_same_seed_same_pixels,
    check_batch_size_does_not_matter,
    check_seeds_differ,
    check_inputs_are_untouched,
    check_a_long_prompt_is_drawn,
    check_global_random_state_does_not_matter,
    check_a_second_subject_does_not_change_the_first,
)
"""Every check, in the order in which they build on each other."""


def check_generator(
    generator: Generator,
    subject: Subject | None = None,
    *,
    benchmark: Benchmark | None = None,
    tolerance: int = 1,
    allow: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Check a generator against the whole contract: some 40 images of one subject, one of another.

    Args:
        generator: to be checked, with settings as cheap as it has.
        subject: to learn; default: the benchmark's first.
        benchmark: as for `Trial`; a `CaseSampler` wants the one that it was made for.
        tolerance: as for `Trial`, in levels of 255.
        allow: name of a check -> why its failure is acceptable.

    Returns:
        One result a check.

    Raises:
        BrokenContractError: (an AssertionError) listing all failures that are not allowed.
        SettingsError: if `allow` names no check, or gives no reason.
    """
    trial = Trial(generator, subject, benchmark=benchmark, tolerance=tolerance)
    checks = {check.__name__: partial(check, trial) for check in GENERATOR_CHECKS}
    foundations = {
        "check_personalize_gives_a_sampler",
        "check_one_image_per_prompt",
        "check_images_are_valid",
    }
    return run_checks(type(generator).__name__, checks, foundations=foundations, allow=allow)


def _personalized(generator: Generator, subject: Subject) -> Sampler | CaseSampler:
    sampler: object = generator.personalize(subject)
    if not isinstance(sampler, Sampler | CaseSampler):
        broken(
            f"personalize returned a {type(sampler).__name__}, wanted an object with "
            "sample(prompts, seeds)."
        )
    return sampler


def _sampled(sampler: Sampler | CaseSampler, cases: Sequence[Case]) -> Sequence[object]:
    if isinstance(sampler, CaseSampler):
        outputs: object = sampler.sample_cases(list(cases))
    else:
        outputs = sampler.sample([case.prompt for case in cases], [case.seed for case in cases])
    if isinstance(outputs, np.ndarray):
        outputs = list(outputs)
    if not isinstance(outputs, Sequence) or isinstance(outputs, str | bytes):
        broken(f"sampling returned a {type(outputs).__name__}, wanted a list of images.")
    if len(outputs) != len(cases):
        broken(f"{len(cases)} prompts gave {len(outputs)} images: return one for each prompt.")
    return outputs


def _drawn(sampler: Sampler | CaseSampler, cases: Sequence[Case]) -> list[RGB]:
    images: list[RGB] = []
    for case, output in zip(cases, _sampled(sampler, cases), strict=True):
        image = as_image(output)
        if isinstance(image, str):
            broken(f"the image of {case.key} cannot be used: {image}.")
        images.append(np.asarray(image))
    return images


def _require_equal(
    trial: Trial, how: str, images: Sequence[RGB], tolerance: int, advice: str
) -> None:
    """The images, drawn in some other way, must be those of `trial.images()`."""
    for case, one, other in zip(trial.cases, trial.images(), images, strict=True):
        if one.shape != other.shape:
            broken(
                f"{case.key} {how} has another size: {_size(other)}, before it was {_size(one)}."
            )
        difference = int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())
        if difference > tolerance:
            broken(
                f"{case.key} {how} is another image: a pixel differs by {difference} of 255 "
                f"levels, wanted at most {tolerance}. To mend it, {advice}."
            )


def _size(image: RGB) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"


def _described(subject: Subject) -> tuple[object, ...]:
    """What a subject is, down to the bytes of its photos."""
    photos = [(photo, digest_bytes(photo.encoded())) for photo in subject.train]
    return (subject.subject_id, subject.class_noun, subject.init_token, subject.kind, photos)


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed every global random generator in use, and put them back."""
    python = random.getstate()
    legacy = np.random.get_state()  # noqa: NPY002  # the global state is what is on trial
    torch = sys.modules.get("torch")  # who does not import torch draws nothing from it
    torch_state = torch.get_rng_state() if torch else None
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        if torch:
            torch.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        if torch:
            torch.set_rng_state(torch_state)
