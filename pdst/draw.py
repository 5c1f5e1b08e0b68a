"""In: chunks and a generator. Out: every case's image in the store, or a counted reason why not.

A generator is somebody else's code: it may throw, hang, or return the wrong thing. None of that
stops a run (unless it is strict), and none of it is dropped: each such case is a row with a reason.
"""

import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pdst.digest import digest_bytes
from pdst.errors import DatasetError, GeneratorError, PdstError
from pdst.generator import CaseSampler, Generator, Learner, Sampler
from pdst.images import ImageFormat, decode_rgb, pixel_digest, to_rgb
from pdst.progress import Progress
from pdst.store import RunStore
from pdst.types import Benchmark, Case, Chunk, Drawn, Subject
from pdst.watchdog import TimeLimitError, call_within

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

MIN_SIDE, MAX_SIDE = 8, 8192
"""Pixels. Outside of this an image is taken for a mistake of its generator ("wrong_size")."""

HANGS_ALLOWED = 3
"""So many cases of a subject may hang, one after the other, before the rest is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How to draw; none of it decides a pixel.

    Attributes:
        batch: prompts a sample call.
        subjects_per_batch: subjects that a generator with `prepare` learns together.
        seconds_per_image: limit of a sample call, times its batch; None: no limit.
        seconds_per_subject: limit of learning a subject; None: no limit.
        strict: stop at the first failure.
        retry_failed: draw chunks with failures again.
        on_stuck: called, from another thread, when a call hangs in native code; gets a message.
            It should end the process: everything drawn so far is on disk by then.
    """

    batch: int = 8
    subjects_per_batch: int = 1
    seconds_per_image: float | None = 900.0
    seconds_per_subject: float | None = None
    strict: bool = False
    retry_failed: bool = False
    on_stuck: Callable[[str], None] | None = None


class _CallError(Exception):
    """A sample call failed as a whole, so that no image can be told from another."""

    def __init__(self, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


def draw(
    chunks: Sequence[Chunk],
    benchmark: Benchmark,
    generator: Generator,
    store: RunStore,
    image_format: ImageFormat,
    options: DrawOptions,
    progress: Progress,
) -> None:
    """Draw every chunk that the store does not hold yet.

    A subject is learned once, just before its first missing chunk: alone, or together with those
    after it, where the generator can.

    Raises:
        GeneratorError: with `strict`, at the first failure.
    """
    total = sum(len(chunk.cases) for chunk in chunks)
    unfinished: list[tuple[str, list[Chunk]]] = []
    done = 0
    for subject_id, of_subject in groupby(chunks, key=lambda chunk: chunk.subject_id):
        missing = []
        for chunk in of_subject:
            kept = len(_kept(chunk, store, retry_failed=options.retry_failed))
            done += kept
            if kept < len(chunk.cases):
                missing.append(chunk)
        if missing:
            unfinished.append((subject_id, missing))
    progress("draw", done, total)
    artist = _Artist(generator, store, image_format, options)
    learned = 0
    for group in _batched(unfinished, options.subjects_per_batch):
        subjects = [benchmark.subject(subject_id) for subject_id, _ in group]

        def learning(share: float, before: int = learned, now: int = len(group)) -> None:
            progress("learn", before + share * now, len(unfinished))

        artist.prepare(subjects, learning)
        learned += len(group)
        for subject, (_, missing) in zip(subjects, group, strict=True):
            artist.meet(subject)
            for chunk in missing:
                # Read again, not kept from above: it may hold a photo's images.
                kept_cases = _kept(chunk, store, retry_failed=options.retry_failed)
                store.write_images(chunk, artist.draw(chunk, kept_cases))
                done += len(chunk.cases) - len(kept_cases)
                progress("draw", done, total)


def _kept(chunk: Chunk, store: RunStore, *, retry_failed: bool) -> dict[str, Drawn]:
    """The cases of a chunk that are not to be drawn, by key: an image is never drawn twice."""
    if not store.has_images(chunk):
        return {}
    return {
        drawn.case.key: drawn
        for drawn in store.images(chunk.subject_id, chunk.image_id)
        if not (retry_failed and drawn.reason)
    }


class _Artist:
    """One generator at work on one subject after the other."""

    def __init__(
        self,
        generator: Generator,
        store: RunStore,
        image_format: ImageFormat,
        options: DrawOptions,
    ) -> None:
        self.generator = generator
        self.store = store
        self.image_format = image_format
        self.options = options
        self.sampler: Sampler | CaseSampler | None = None
        self.no_sampler = ""
        self.hangs = 0
        self.told: set[str] = set()

    def prepare(self, subjects: Sequence[Subject], progress: Callable[[float], None]) -> None:
        """Learn subjects together, if the generator can. If that fails, each is met alone."""
        if not isinstance(self.generator, Learner):
            return
        learner, names = self.generator, ", ".join(subject.subject_id for subject in subjects)
        limit = self.options.seconds_per_subject
        try:
            _in_this_process(
                lambda: call_within(
                    None if limit is None else limit * len(subjects),
                    lambda: learner.prepare(subjects, self.store.learned, progress),
                    on_stuck=lambda: self._stuck_learning(names),
                )
            )
        except (KeyboardInterrupt, DatasetError):
            raise
        except BaseException as error:
            # Alone, each one's `personalize` succeeds or says why not.
            self._failed(names, f"prepare_raised: {_told(error)}", error)

    def meet(self, subject: Subject) -> None:
        """Personalize for a subject. If that fails, all of its cases will carry the reason."""
        self.sampler, self.no_sampler, self.hangs = None, "", 0
        subject_id = subject.subject_id
        try:
            sampler = _in_this_process(
                lambda: call_within(
                    self.options.seconds_per_subject,
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
            self.no_sampler = f"personalize_raised: {_told(error)}"
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

    def draw(self, chunk: Chunk, kept: Mapping[str, Drawn]) -> list[Drawn]:
        """Every case of a chunk, in order; a case without image carries its reason."""
        done = dict(kept)
        wanted = [case for case in chunk.cases if case.key not in done]
        for batch in _batched(wanted, self.options.batch):
            self._draw_batch(chunk, batch, done)
        return [done[case.key] for case in chunk.cases]

    def _draw_batch(self, chunk: Chunk, batch: Sequence[Case], done: dict[str, Drawn]) -> None:
        if self.sampler is None or self.hangs >= HANGS_ALLOWED:
            given_up = f"timeout: given up after {self.hangs} hangs in a row"
            reason = self.no_sampler if self.sampler is None else given_up
            done.update({case.key: _missing(case, reason, 0.0) for case in batch})
            return
        began = time.perf_counter()
        failure: _CallError | None = None
        try:
            images = self._call(self.sampler, chunk, batch, done)
        except _CallError as error:
            failure = error
        if failure is not None and len(batch) > 1:
            # Which one was it? Alone, the innocent ones of the batch succeed.
            for case in batch:
                self._draw_batch(chunk, [case], done)
            return
        seconds = (time.perf_counter() - began) / len(batch)
        if failure is not None:
            self._failed(batch[0].key, failure.reason, failure.cause)
            done[batch[0].key] = _missing(batch[0], failure.reason, seconds)
            return
        self.hangs = 0
        for case, image in zip(batch, images, strict=True):
            done[case.key] = self._keep(case, image, seconds)

    def _call(
        self,
        sampler: Sampler | CaseSampler,
        chunk: Chunk,
        batch: Sequence[Case],
        done: Mapping[str, Drawn],
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

        limit = self.options.seconds_per_image
        seconds = None if limit is None else limit * len(batch)
        try:
            return _in_this_process(
                lambda: call_within(
                    seconds, sample, on_stuck=lambda: self._stuck(chunk, batch, done)
                )
            )
        except TimeLimitError as error:
            self.hangs += len(batch) == 1
            raise _CallError(f"timeout: no image within {seconds:g} s", error) from error
        except (_CallError, KeyboardInterrupt, DatasetError):
            raise
        except BaseException as error:
            raise _CallError(f"raised: {_told(error)}", error) from error

    def _stuck_learning(self, subject_id: str) -> None:
        if self.options.on_stuck is not None:
            self.options.on_stuck(
                f"{subject_id}: the generator hangs in native code while learning the subject, and "
                "cannot be interrupted. What was drawn is kept; leave the subject out, or mend it."
            )

    def _stuck(self, chunk: Chunk, batch: Sequence[Case], done: Mapping[str, Drawn]) -> None:
        """The call hangs in native code: keep the chunk with its reason, so a re-run passes it."""
        if self.options.on_stuck is None:
            return
        reason = "timeout: hung in native code; the process was ended"
        try:
            self.store.write_images(
                chunk,
                [done.get(case.key) or _missing(case, reason, 0.0) for case in chunk.cases],
            )
        finally:  # also when the disk is full
            self.options.on_stuck(
                f"{batch[0].key}: the generator hangs in native code and cannot be interrupted. "
                "What was drawn is kept; give the same command again to go on with the next test "
                "photo."
            )

    def _keep(self, case: Case, image: Image.Image | str, seconds: float) -> Drawn:
        if isinstance(image, str):
            self._failed(case.key, image, None)
            return _missing(case, image, seconds)
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
        if self.options.strict:
            raise GeneratorError(
                f"{where}: {reason}. Stopped because of --strict; without it, the case is counted "
                "as failed and the run goes on."
            ) from cause
        if reason not in self.told:  # a traceback for each kind of failure, once
            self.told.add(reason)
            log.warning("%s: %s%s", where, reason, _trace(cause))


def as_image(output: object) -> Image.Image | str:
    """What a generator returned as an RGB image, or the reason why it is none.

    Accepts PIL images of any mode; (H, W, 3) uint8 arrays; (H, W, 3) float arrays in [0, 1].

    Returns:
        An "RGB" image with sides in [MIN_SIDE, MAX_SIDE] that is not all black; or a reason:
        "wrong_type", "wrong_size", "not_finite", "out_of_range" or "black", with details.
    """
    try:
        image = _converted(output)
    except Exception as error:  # a lazy, damaged or overridden image may raise anything
        return f"wrong_type: a {type(output).__name__} that cannot be read: {_told(error)}"
    if isinstance(image, str):
        return image
    if min(image.size) < MIN_SIDE or max(image.size) > MAX_SIDE:
        return (
            f"wrong_size: {image.width} x {image.height} pixels, wanted sides of "
            f"{MIN_SIDE} to {MAX_SIDE}"
        )
    if image.getbbox() is None:
        return "black: every pixel is 0 (a safety checker?)"
    return image


def _converted(output: object) -> Image.Image | str:
    if isinstance(output, np.ndarray):
        return _from_array(np.asarray(output))
    if not isinstance(output, Image.Image):
        return (
            f"wrong_type: got a {type(output).__module__}.{type(output).__name__}, wanted a PIL "
            "image or an (H, W, 3) array"
        )
    if output.width == 0 or output.height == 0:
        return f"wrong_size: {output.width} x {output.height} pixels"
    if output.mode == "F" and not np.isfinite(np.asarray(output)).all():
        return "not_finite: an image of mode F holds NaN or infinity"
    return to_rgb(ImageOps.exif_transpose(output))


def _from_array(array: NDArray[Any]) -> Image.Image | str:
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        return f"wrong_type: an array of shape {array.shape}, wanted (H, W, 3)"
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            return f"not_finite: {int((~np.isfinite(array)).sum())} values are NaN or infinite"
        low, high = float(array.min()), float(array.max())
        if low < -1e-3 or high > 1 + 1e-3:
            return f"out_of_range: float values from {low:g} to {high:g}, wanted [0, 1]"
        array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        return f"wrong_type: an array of {array.dtype}, wanted uint8, or float in [0, 1]"
    return Image.fromarray(np.ascontiguousarray(array))


def _missing(case: Case, reason: str, seconds: float) -> Drawn:
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


def _told(error: BaseException) -> str:
    """An exception in one line that can be stored, whatever its author made of it."""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:
        text = "(its text cannot be read)"
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return told.encode("utf-8", "backslashreplace").decode()


def _trace(cause: BaseException | None) -> str:
    """The traceback, for the generator's author; of characters that every stream takes."""
    if cause is None or isinstance(cause, PdstError):  # those say all in their words
        return ""
    try:
        lines = traceback.format_exception(cause)
    except Exception:
        lines = traceback.format_tb(cause.__traceback__)
    return "\n" + "".join(lines).rstrip().encode("utf-8", "backslashreplace").decode()


def _in_this_process(call: Callable[[], Result]) -> Result:
    """Call a generator; if it forked, its child ends here, lest two processes write one run."""
    process = os.getpid()
    try:
        return call()
    finally:
        if os.getpid() != process:
            os._exit(0)


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
