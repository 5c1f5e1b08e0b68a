"""The nouns of PDST: photo, subject, benchmark, case, score. No torch, no files, no settings."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from PIL import Image

from pdst.digest import Json, digest_json
from pdst.errors import DatasetError, SettingsError, unknown_name
from pdst.images import decode_mask, decode_rgb

SLOT = "{}"
"""Stands for the subject in every caption; the method puts its own subject string there."""

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a subject id, an image id and a release's name look like in full: they become file names."""

Kind: TypeAlias = Literal["living", "rigid"]
KINDS: tuple[Kind, ...] = ("living", "rigid")

Split: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photograph of a subject. Nothing is decoded until `image` or `mask` is called.

    Attributes:
        image_id: unique within the subject, over both splits; safe as a file name.
        encoded: returns the image file's bytes.
        sha256: of those bytes.
        encoded_mask: returns the mask file's bytes (8-bit, 255 = subject), or None: no mask.
        source, author, licence, licence_url: attribution, as the licence asks for it.
    """

    image_id: str
    sha256: str
    encoded: Callable[[], bytes] = field(repr=False, compare=False)
    encoded_mask: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    source: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""

    def image(self) -> Image.Image:
        """Decode the pixels: an "RGB" image, EXIF orientation applied.

        Raises:
            UnreadableImageError: if the file is damaged.
        """
        return decode_rgb(self.encoded(), self.image_id)

    def mask(self) -> Image.Image | None:
        """Decode the subject mask: an "L" image of 0 and 255, as large as the image, or None.

        Raises:
            UnreadableImageError: if the file is damaged.
        """
        if self.encoded_mask is None:
            return None
        return decode_mask(self.encoded_mask(), f"mask of {self.image_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a method may see: who it is, and the training photos. Never a test photo.

    Attributes:
        class_noun: free text for prompts ("stuffed animal").
        init_token: one CLIP token to start an embedding from ("toy").
        kind: "living" or "rigid".
        train: the training photos (the references), in a fixed order.
    """

    subject_id: str
    class_noun: str
    init_token: str
    kind: Kind
    train: tuple[Photo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPhoto:
    """A held-out photo with the captions that describe it; each holds exactly one `{}`."""

    __test__ = False  # a noun, not a pytest class

    subject_id: str
    photo: Photo
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One release, complete: subjects with training photos, test photos with captions.

    Attributes:
        fingerprint: sha256 over the content (ids, nouns, captions, image and mask bytes), the same
            for the same content however it is sharded, ordered or named on disk.
    """

    name: str
    version: str
    fingerprint: str
    subjects: tuple[Subject, ...]
    test: tuple[TestPhoto, ...]

    def subject(self, subject_id: str) -> Subject:
        """Look a subject up.

        Raises:
            DatasetError: if there is none of that id.
        """
        for subject in self.subjects:
            if subject.subject_id == subject_id:
                return subject
        known = [subject.subject_id for subject in self.subjects]
        raise DatasetError(unknown_name("subject", subject_id, known))

    def test_photos(self, subject_id: str) -> tuple[TestPhoto, ...]:
        """The held-out photos of one subject, in order."""
        return tuple(test for test in self.test if test.subject_id == subject_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image to draw: which caption of which test photo of which subject, and the how-manieth.

    `seed_index` counts 0, 1, 2, … within a caption; `seed` is the number that seeds the image.
    """

    subject_id: str
    image_id: str
    caption_index: int
    seed_index: int
    prompt: str

    @property
    def key(self) -> str:
        """A stable string, unique within a benchmark: "dog6/03/c2/s4"."""
        return f"{self.subject_id}/{self.image_id}/c{self.caption_index}/s{self.seed_index}"

    @property
    def seed(self) -> int:
        """The image's own seed in [0, 2**32): a function of the key alone.

        So batch size, order, chunking and number of workers change nothing, and every method starts
        this case from the same noise. 32 bits, because numpy's legacy seeding takes no more.
        """
        return int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What a diffusion method that has the choice uses, so that samplers do not differ by accident.

    A method without these knobs ignores them. One that has them says what it used in its
    `GeneratorInfo.settings["sampling"]`, under the names here; a run with another sampler, number
    of steps or guidance than its protocol's is marked. A base model that was made to be drawn from
    with another guidance says so (`base_guidance`), and is then held to that.
    """

    sampler: str = "dpmsolver++2m"
    steps: int = 50
    guidance: float = 7.5
    resolution: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How much is drawn and how text is scored. Numbers of two protocols are never compared.

    Attributes:
        captions_per_photo: how many of a test photo's captions are used, the first ones; None: all.
        images_per_caption: seeds a caption.
        text_rule: what `{}` becomes for `clip_t`: "class" (the class noun).

    Raises:
        SettingsError: if a count is below 1.
    """

    name: str
    captions_per_photo: int | None
    images_per_caption: int
    text_rule: Literal["class"] = "class"
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        """Refuse counts that would plan something else than they say (-1: all captions but one)."""
        captions = 1 if self.captions_per_photo is None else self.captions_per_photo
        if captions < 1 or self.images_per_caption < 1:
            raise SettingsError(
                f"Protocol {self.name} has {self.captions_per_photo} captions a photo and "
                f"{self.images_per_caption} images a caption, wanted at least 1 of each "
                "(captions_per_photo=None: all)."
            )

    @property
    def id(self) -> str:
        """Name and content: "paper-1a2b3c4d"; any changed field changes it."""
        sampling = self.sampling
        content: dict[str, Json] = {
            "captions_per_photo": self.captions_per_photo,
            "images_per_caption": self.images_per_caption,
            "text_rule": self.text_rule,
            "sampler": sampling.sampler,
            "steps": sampling.steps,
            "guidance": float(sampling.guidance),  # 7 and 7.0 are one protocol
            "resolution": sampling.resolution,
        }
        return f"{self.name}-{digest_json(content)[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What is kept in one file: all cases of one test photo. Pure, idempotent, named."""

    subject_id: str
    image_id: str
    cases: tuple[Case, ...]

    @property
    def name(self) -> str:
        """Relative path stem in the run folder: "dog6/03"."""
        return f"{self.subject_id}/{self.image_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One case after drawing: an encoded image, or None with a reason.

    Attributes:
        encoded: the image file as kept; None if the generator failed here.
        sha256: of `encoded`. pixels: `pdst.images.pixel_digest` of what it decodes to.
        reason: "code: detail", e.g. "raised: RuntimeError: out of memory"; None on success.
        seconds: wall time of the sample call, divided by its batch.
    """

    case: Case
    encoded: bytes | None
    sha256: str | None
    pixels: str | None
    width: int | None
    height: int | None
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric over one run.

    Attributes:
        macro: mean over subjects of the subject's mean; None if nothing was scored.
        micro: mean over images. Equal to macro on a complete run with equal counts.
        interval: of `macro`, by bootstrap over subjects; None with fewer than two subjects.
        scored, expected: images with a value, images of the plan.
        per_subject: mean over the subject's images; None for a subject without any value.
        per_kind: mean over the kind's subjects of the subject's mean; None without any value.
    """

    metric: str
    macro: float | None
    micro: float | None
    interval: Interval | None
    scored: int
    expected: int
    per_subject: Mapping[str, float | None]
    per_kind: Mapping[str, float | None]

    @property
    def unscored_subjects(self) -> int:
        """How many subjects of the plan have no value at all, and so no part in `macro`."""
        return sum(value is None for value in self.per_subject.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found: one summary a metric, the overfitting gaps, copies and failures.

    Attributes:
        metrics: in the order of `pdst.metrics.METRICS`.
        gaps: "clip_i" and "dino": score against the train photos minus score against the held-out
            photo, image by image. Above what `RealOther` shows, it is overfitting.
        expected, drawn: images of the plan, images that exist.
        copied: images flagged as a copy of some photo, out of the `copy_checked` ones.
        failures: reason code -> number of images.
        marks: what keeps the run from being submitted ("untrained encoders", "--limit"); empty if
            nothing does.
    """

    metrics: tuple[MetricSummary, ...]
    gaps: tuple[MetricSummary, ...]
    expected: int
    drawn: int
    copied: int
    copy_checked: int
    failures: Mapping[str, int]
    marks: tuple[str, ...]
