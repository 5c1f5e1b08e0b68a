"""In: a generator, subjects and batches of cases. Out: each case's image, or why there is none.

A generator is somebody else's code: it may throw, hang, or return the wrong thing. Every call of it
is made here, and guarded.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from pdst.digest import digest_bytes
from pdst.errors import DatasetError, GeneratorError
from pdst.generator import CaseSampler, Generator, Learner, Sampler
from pdst.images import ImageFormat, decode_rgb, pixel_digest
from pdst.outputs import as_image, in_one_line, trace
from pdst.types import Case, Drawn, Subject
from pdst.watchdog import TimeLimitError, call_within

log = logging.getLogger(__name__)

Result = TypeVar("Result")

HANGS_ALLOWED = 3
"""So many cases of a subject may hang, one after the other, before the rest is given up."""


class _CallError(Exception):
    """A sample call failed as a whole, so that no image can be told from another."""

    def __init__(self, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


class Artist:
    """One generator at work on one subject after the other."""

    def __init__(
        self,
        generator: Generator,
        image_format: ImageFormat,
        *,
        learned: Path,
        seconds_per_image: float | None,
        seconds_per_subject: float | None,
        strict: bool,
        on_stuck: Callable[[str], None] | None,
    ) -> None:
        """Take a generator.

        Args:
            generator: whose calls are guarded.
            image_format: how its images are encoded.
            learned: folder where it may keep what it has learned.
            seconds_per_image: limit of a sample call, times its batch; None: no limit.
            seconds_per_subject: limit of learning a subject; None: no limit.
            strict: raise GeneratorError at the first failure.
            on_stuck: called, from another thread, when learning hangs in native code; gets a
                message.
        """
        self.generator = generator
        self.image_format = image_format
        self.learned = learned
        self.seconds_per_image = seconds_per_image
        self.seconds_per_subject = seconds_per_subject
        self.strict = strict
        self.on_stuck = on_stuck
        self.sampler: Sampler | CaseSampler | None = None
        self.no_sampler = ""
        self.hangs = 0
        self.told: set[str] = set()

    def prepare(self, subjects: Sequence[Subject], progress: Callable[[float], None]) -> None:
        """Learn subjects together, if the generator can. If that fails, each is met alone."""
        if not isinstance(self.generator, Learner):
            return
        learner, names = self.generator, ", ".join(subject.subject_id for subject in subjects)
        limit = self.seconds_per_subject
        try:
            _in_this_process(
                lambda: call_within(
                    None if limit is None else limit * len(subjects),
                    lambda: learner.prepare(subjects, self.learned, progress),
                    on_stuck=lambda: self._stuck_learning(names),
                )
            )
        except (KeyboardInterrupt, DatasetError):
            raise
        except BaseException as error:
            # Alone, each one's `personalize` succeeds or says why not.
            self._failed(names, f"prepare_raised: {in_one_line(error)}", error)

    def meet(self, subject: Subject) -> None:
        """Personalize for a subject. If that fails, all of its cases will carry the reason."""
        self.sampler, self.no_sampler, self.hangs = None, "", 0
        subject_id = subject.subject_id
        try:
            sampler = _in_this_process(
                lambda: call_within(
                    self.seconds_per_subject,
                    lambda: self.generator.personalize(subject),
                    on_stuck=lambda: self._stuck_learning(subject_id),
                )
            )
        except TimeLimitError as error:
            self.no_sampler = f"personalize_timeout: {error}"
            self._failed(subject_id, self.no_sampler, error)
            return
        except (KeyboardInterrupt, DatasetError):
            raise
        except BaseException as error:
            self.no_sampler = f"personalize_raised: {in_one_line(error)}"
            self._failed(subject_id, self.no_sampler, error)
            return
        if isinstance(sampler, Sampler | CaseSampler):
            self.sampler = sampler
            return
        self.no_sampler = (
            f"wrong_type: personalize returned a {type(sampler).__name__}, wanted an object with "
            "sample(prompts, seeds)"
        )
        self._failed(subject_id, self.no_sampler, None)

    def draw(
        self,
        batch: Sequence[Case],
        drawn: dict[str, Drawn],
        on_stuck: Callable[[Sequence[Case]], None],
    ) -> None:
        """Draw a batch of the subject's cases; one without image carries its reason.

        Args:
            batch: at least one case.
            drawn: gets every case under its key, as soon as it is there.
            on_stuck: called, from another thread, when the call hangs in native code; gets the
                cases of that call. All that was drawn before is in `drawn` by then.
        """
        if self.sampler is None or self.hangs >= HANGS_ALLOWED:
            given_up = f"timeout: given up after {self.hangs} hangs in a row"
            reason = self.no_sampler if self.sampler is None else given_up
            drawn.update({case.key: without_image(case, reason) for case in batch})
            return
        began = time.perf_counter()
        failure: _CallError | None = None
        try:
            images = self._call(self.sampler, batch, on_stuck)
        except _CallError as error:
            failure = error
        if failure is not None and len(batch) > 1:
            # Which one was it? Alone, the innocent ones of the batch succeed.
            for case in batch:
                self.draw([case], drawn, on_stuck)
            return
        seconds = (time.perf_counter() - began) / len(batch)
        if failure is not None:
            self._failed(batch[0].key, failure.reason, failure.cause)
            drawn[batch[0].key] = without_image(batch[0], failure.reason, seconds)
            return
        self.hangs = 0
        for case, image in zip(batch, images, strict=True):
            drawn[case.key] = self._keep(case, image, seconds)

    def _call(
        self,
        sampler: Sampler | CaseSampler,
        batch: Sequence[Case],
        on_stuck: Callable[[Sequence[Case]], None],
    ) -> list[Image.Image | str]:
        """One guarded sample call: an image or a reason for each case, or a _CallError."""

        def sample() -> list[Image.Image | str]:
            outputs: object
            if isinstance(sampler, CaseSampler):
                outputs = sampler.sample_cases(list(batch))
            else:
                prompts = [case.prompt for case in batch]
                outputs = sampler.sample(prompts, [case.seed for case in batch])
            if not isinstance(outputs, Sequence | np.ndarray) or isinstance(outputs, str | bytes):
                raise _CallError(
                    f"wrong_type: sample returned a {type(outputs).__name__}, wanted a list of "
                    "images"
                )
            if len(outputs) != len(batch):
                raise _CallError(f"wrong_count: {len(outputs)} images for {len(batch)} prompts")
            # Here, because a lazy image is still the generator's code, and still may hang.
            return [as_image(output) for output in outputs]

        limit = self.seconds_per_image
        seconds = None if limit is None else limit * len(batch)
        try:
            return _in_this_process(
                lambda: call_within(seconds, sample, on_stuck=lambda: on_stuck(batch))
            )
        except TimeLimitError as error:
            self.hangs += len(batch) == 1
            raise _CallError(f"timeout: no image within {seconds:g} s", error) from error
        except (_CallError, KeyboardInterrupt, DatasetError):
            raise
        except BaseException as error:
            raise _CallError(f"raised: {in_one_line(error)}", error) from error

    def _stuck_learning(self, subject_id: str) -> None:
        if self.on_stuck is not None:
            self.on_stuck(
                f"{subject_id}: the generator hangs in native code while learning the subject, and "
                "cannot be interrupted. What was drawn is kept; leave the subject out, or mend it."
            )

    def _keep(self, case: Case, image: Image.Image | str, seconds: float) -> Drawn:
        if isinstance(image, str):
            self._failed(case.key, image, None)
            return without_image(case, image, seconds)
        encoded = self.image_format.encode(image)
        kept = image if self.image_format.lossless else decode_rgb(encoded, case.key)
        return Drawn(
            case=case,
            encoded=encoded,
            sha256=digest_bytes(encoded),
            pixels=pixel_digest(kept),
            width=image.width,
            height=image.height,
            reason=None,
            seconds=seconds,
        )

    def _failed(self, where: str, reason: str, cause: BaseException | None) -> None:
        if self.strict:
            raise GeneratorError(
                f"{where}: {reason}. Stopped because of --strict; without it, the case is counted "
                "as failed and the run goes on."
            ) from cause
        if reason not in self.told:  # a traceback for each kind of failure, once
            self.told.add(reason)
            log.warning("%s: %s%s", where, reason, trace(cause))


def without_image(case: Case, reason: str, seconds: float = 0.0) -> Drawn:
    """A case that has a reason ("code: detail") instead of an image."""
    return Drawn(
        case=case,
        encoded=None,
        sha256=None,
        pixels=None,
        width=None,
        height=None,
        reason=reason,
        seconds=seconds,
    )


def _in_this_process(call: Callable[[], Result]) -> Result:
    """Call a generator; if it forked, its child ends here, lest two processes write one run."""
    process = os.getpid()
    try:
        return call()
    finally:
        if os.getpid() != process:
            os._exit(0)
