"""In: JSON text of strangers. Out: what a submission states about itself, every field checked.

The header travels in the bundle's Parquet metadata as canonical JSON. It holds whatever decides a
number (benchmark, protocol, encoders, metrics), who drew how on what, and the submitter's summary,
which nobody trusts: boards compute their own from the rows.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from pdst.digest import Json, canonical_json
from pdst.encoders.spec import EncoderSpec
from pdst.errors import SubmissionError
from pdst.metrics import METRICS
from pdst.release import shown
from pdst.types import Protocol, Sampling

SCHEMA = 1

HEX = r"^[0-9a-f]{64}$"


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("wanted one line of printable text without blanks at its ends")
    return text


UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What is printable and shows nothing: joiners, fillers, selectors, an empty Braille cell."""


def _seen(text: str) -> str:
    marks = "".join("m" if unicodedata.category(letter)[0] == "M" else "." for letter in text)
    if UNSEEN.search(text) or "mmm" in marks:
        raise ValueError("wanted no invisible letters and at most two accents on a letter")
    return text


def _plain_name(text: str) -> str:
    # What could be read as markup, as a path or as a spreadsheet's formula is no name.
    if re.search(r"[<>\\]|^[=+\-@|%./]", text):
        raise ValueError(
            "wanted a name without < > \\ that does not begin with one of = + - @ | % . /"
        )
    return text


def _link(text: str) -> str:
    # ASCII alone: a domain in look-alike letters is another domain.
    if text and not re.fullmatch(r"https?://((?![<>\"'`\\])[!-~])+", text):
        raise ValueError("wanted a link that begins with https:// or http://, in ASCII, or nothing")
    return text


Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
Shown = Annotated[Line, AfterValidator(_seen)]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=80),
    AfterValidator(_one_line),
    AfterValidator(_plain_name),
    AfterValidator(_seen),
]
Link = Annotated[
    str, StringConstraints(max_length=300), AfterValidator(_one_line), AfterValidator(_link)
]
Note = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_one_line)]
Digest = Annotated[str, StringConstraints(pattern=HEX)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
Revision = Annotated[Word, AfterValidator(_seen)]
Seconds = Annotated[float, Field(ge=0, le=1e10)]


class _Stated(BaseModel):
    """Strict: no other field, no coercion, no NaN, no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Method(_Stated):
    """Who drew: as in `GeneratorInfo`, and where it was loaded from."""

    name: Name
    revision: Revision
    paper: Link
    code: Link
    settings: dict[Line, JsonValue]
    spec: Line
    arguments: dict[Line, JsonValue]
    source_digest: Digest | None
    sees_test_split: bool


class Declared(_Stated):
    """What only the submitter can say.

    Attributes:
        by: who submits, for the board; may be empty.
        training: what the method and its base model were trained on, an item a data set.
        saw_test_photos: whether held-out photos of the benchmark were among that.
        hardware: what drew, where that is not the machine in the sessions; may be empty.
    """

    by: Shown = ""
    training: Annotated[tuple[Shown, ...], Field(min_length=1, max_length=50)]
    saw_test_photos: bool
    hardware: Shown = ""


class BenchmarkKey(_Stated):
    """Which release, by content."""

    name: Word
    version: Word
    fingerprint: Digest


class SamplingStated(_Stated):
    """As `pdst.types.Sampling`."""

    sampler: Word
    steps: int
    guidance: float
    resolution: int


class ProtocolStated(_Stated):
    """As `pdst.types.Protocol`, with its id."""

    id: Word
    name: Word
    captions_per_photo: int | None
    images_per_caption: int
    text_rule: Literal["class"]
    sampling: SamplingStated

    def protocol(self) -> Protocol:
        """The noun.

        Raises:
            SettingsError: if a count is below 1.
        """
        return Protocol(
            name=self.name,
            captions_per_photo=self.captions_per_photo,
            images_per_caption=self.images_per_caption,
            text_rule=self.text_rule,
            sampling=Sampling(**self.sampling.model_dump()),
        )


Triple = tuple[float, float, float]


class EncoderStated(_Stated):
    """As `pdst.encoders.spec.EncoderSpec`, with its digest."""

    digest: Digest
    family: Literal["clip", "dino"]
    architecture: Word
    title: Word
    weights: Line
    weights_digest: Word
    trained: bool
    resize: int
    crop: int
    filter: Literal["bicubic"]
    mean: Triple
    std: Triple
    dtype: Literal["float32", "bfloat16", "float16"]
    dim: int
    context: int | None
    tokenizer: Word | None

    def spec(self) -> EncoderSpec:
        """The noun; its digest is computed, not the stated one."""
        return EncoderSpec(**self.model_dump(exclude={"digest"}))


class EncodersStated(_Stated):
    """Both scorers."""

    clip: EncoderStated
    dino: EncoderStated


class Hardware(_Stated):
    """As `pdst.environment.hardware`."""

    system: Line = ""
    processor: Line = ""
    cores: int | None = None
    accelerators: Annotated[tuple[Line, ...], Field(max_length=64)] = ()


class Session(_Stated):
    """One sitting of a run."""

    started: Word
    seconds: Seconds | None
    generator_source: Digest | None = None
    versions: Annotated[dict[Word, Word], Field(max_length=100)]
    hardware: Hardware


class Header(_Stated):
    """All that a bundle states, but for its rows.

    Attributes:
        metrics: metric id -> digest of definition and encoder.
        subjects, limit: what the run was restricted to; None, or it is not submittable.
        marks: what else keeps the run from being submitted, as the run says.
        sessions: the last ones; `seconds` counts all.
        images: which images are attached: none, the sample that the rows decide, or all.
        summary: the submitter's, as `pdst.summarize.report_to_json` writes it.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    method: Method
    declared: Declared
    benchmark: BenchmarkKey
    protocol: ProtocolStated
    encoders: EncodersStated
    metrics: Annotated[dict[Word, Digest], Field(max_length=50)]
    image_format: Word
    subjects: Annotated[tuple[Word, ...], Field(max_length=1000)] | None
    limit: int | None
    marks: Annotated[tuple[Note, ...], Field(max_length=50)]
    seconds: Seconds
    sessions: Annotated[tuple[Session, ...], Field(min_length=1, max_length=50)]
    images: Literal["none", "sample", "all"]
    summary: dict[str, JsonValue]

    @property
    def text(self) -> str:
        """The one canonical JSON text of it."""
        return canonical_json(
            cast("dict[str, Json]", self.model_dump(mode="json", by_alias=True, warnings="error"))
        )


def read_header(text: str) -> Header:
    """Read a header back.

    Args:
        text: canonical JSON; the reader of the file has bounded its length.

    Raises:
        SubmissionError: naming every field that is wrong.
    """
    try:
        plain = json.loads(text)
        canonical = canonical_json(plain)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(
            f"The header is no plain JSON ({type(error).__name__}: {error!s:.100}). "
            "Make the bundle with pdst-submit."
        ) from error
    if canonical != text:
        raise SubmissionError(
            "The header is not in canonical form (sorted keys, no blanks). "
            "Make the bundle with pdst-submit."
        )
    header = header_of(plain)
    if header.text != text:
        # Python takes true for 1 and 12 for 12.0: one submission shall have one text.
        raise SubmissionError(
            "The header has a number or a truth value in another's place (true for 1, 12 for "
            "12.0). Make the bundle with pdst-submit."
        )
    return header


def header_of(plain: object) -> Header:
    """Plain JSON as a Header.

    Raises:
        SubmissionError: naming every field that is wrong.
    """
    try:
        # Through text: in JSON a list may stand for a tuple, and nothing else for anything else.
        return Header.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        lines = list(_problems(error))
        raise SubmissionError(f"The header has {'; '.join(lines)}.") from error
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"The header is no plain JSON ({error!s:.100}).") from error


def _problems(error: ValidationError) -> Iterator[str]:
    found = error.errors(include_url=False, include_context=False)
    for one in found[:20]:
        where = ".".join(str(part)[:60] for part in one["loc"]) or "the header"
        got = one["input"]
        said = "" if isinstance(got, dict | list) else f", got {shown(got)}"
        yield f"{where}: {one['msg'].removeprefix('Value error, ')}{said}"
    if len(found) > 20:
        yield f"and {len(found) - 20} more"


def stated_encoder(spec: EncoderSpec) -> dict[str, Json]:
    """An encoder as headers and run.json state it."""
    return {"digest": spec.digest, **cast("dict[str, Json]", asdict(spec))}


def metric_digests(encoders: EncodersStated) -> dict[str, str]:
    """The digest of every metric with these encoders, computed from what they state."""
    specs = {"clip": encoders.clip.spec(), "dino": encoders.dino.spec()}
    return {metric.id: metric.digest(specs[metric.encoder]) for metric in METRICS.values()}
