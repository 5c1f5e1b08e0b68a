"""In: WORKSPACE/workspace.yaml, written by the maker. Out: typed settings, every mistake named."""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import yaml

from builders.collect.licences import ALLOWED
from pdst.errors import PdstError, unknown_name
from pdst.release import VERSION_PATTERN, shown
from pdst.types import ID_PATTERN, Kind

FILE = "workspace.yaml"

_T = TypeVar("_T")

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""Upper case alone: hardly any API key is."""


class WorkspaceError(PdstError):
    """A workspace is missing, wrongly set up, or waits for something that only people can mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSettings:
    """What becomes of the rows.

    Attributes:
        name, version: of the release; the version is "1.2.3".
        summary: Markdown, the card's first paragraphs. notes: Markdown, its last section.
        licence: the hub's word for the whole ("cc0-1.0", "other"); licence_name and licence_link
            go with "other".
        photos: "embedded": the photos are in the release. "recipe": only their sources and hashes.
    """

    name: str
    version: str
    summary: str
    licence: str
    licence_name: str = ""
    licence_link: str = ""
    notes: str = ""
    photos: Literal["embedded", "recipe"] = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSettings:
    """Who or what a subject is.

    Attributes:
        leak_terms: words that give this one subject away in a caption: its name, its brand. A
            single word with a capital is meant as a name ("Sunny", not "sunny").
    """

    class_noun: str
    init_token: str
    kind: Kind
    leak_terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSettings:
    """Photos that the maker took.

    Attributes:
        folder: holds SUBJECT/*.jpg, or SUBJECT/SESSION/*.jpg where sessions are known.
        author: who took them. statement: that they did, and may give them away, in their words.
        licence: under which they give them.
    """

    folder: str
    author: str
    statement: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectSettings:
    """Where photos come from.

    Attributes:
        manifests: CSV or JSONL files that list photos obtained elsewhere.
        long_side: pixels of a stored photo's longer side at most.
        allow: licences that are taken.
        series_gap_minutes: photos of a subject, each taken within so many minutes of another by
            EXIF, are a series, kept on one side of the split where that is possible; only photos
            of which no session is given. 0: no date is looked at.
    """

    own: OwnSettings | None = None
    manifests: tuple[str, ...] = ()
    long_side: int = 1024
    allow: tuple[str, ...] = tuple(ALLOWED)
    series_gap_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """Who looks at what. All of a list must agree; if empty, the card says that nobody looked.

    The paper has two reviewers for photos and two for captions.
    """

    photos: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """How a subject's photos are split.

    Attributes:
        train, test: photos of each subject; a seed chooses. Photos beyond that are a reserve.
        given: the manifests say which photo is where; train and test are then not looked at.
    """

    train: int = 5
    test: int = 10
    seed: int = 0
    given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        url: up to and with the version, "https://api.openai.com/v1"; without any key in it.
        model: its name there.
        key_variable: the environment variable that holds the API key; "": the server wants none.
            The key itself is never in a file.
    """

    url: str
    model: str
    key_variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionSettings:
    """Where captions come from.

    Attributes:
        file: a CSV (subject_id, image_id, caption) or JSON (subject -> image -> captions);
            "": a model writes them.
        model: that writes, by its name on the Hub or its folder; "": Qwen2-VL-7B.
        endpoint: of a model that writes, in place of `model`.
        refiner: that rewords what a model wrote, as `builders.language.load_refiner` takes it.
        refiner_endpoint: of a model that rewords, in place of `refiner`.
        rewrite: whether the captions of a file, too, are refined and neutralized.
        per_photo: captions of each test photo.
    """

    file: str = ""
    model: str = ""
    endpoint: EndpointSettings | None = None
    refiner: str = "rules"
    refiner_endpoint: EndpointSettings | None = None
    rewrite: bool = False
    per_photo: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskSettings:
    """Where the training photos' masks come from.

    Attributes:
        folder: holds SUBJECT/IMAGE.png; "": no masks, unless a segmenter is named.
        segmenter: of `pdst.masks` (florence-sam2, saliency, grabcut), for photos without a file.
    """

    folder: str = ""
    segmenter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """Where the release goes: a folder, or `hf://datasets/OWNER/NAME`; "": it stays here."""

    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file.

    Attributes:
        subjects: subject id -> who or what it is.
        embeddings: a DINO for likeness beside the perceptual hash, as `pdst.encoders.load_dino`
            takes it ("dino" for photos), or "none".
    """

    release: ReleaseSettings
    subjects: Mapping[str, SubjectSettings]
    collect: CollectSettings = field(default_factory=CollectSettings)
    embeddings: str = "dino"
    review: ReviewSettings = field(default_factory=ReviewSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    publish: PublishSettings = field(default_factory=PublishSettings)


def read_settings(folder: Path) -> Settings:
    """Read a workspace's settings.

    Raises:
        WorkspaceError: if there are none, or a key or value is wrong; it names the key.
    """
    path = folder / FILE
    if not path.is_file():
        raise WorkspaceError(
            f"{folder} is no workspace: it has no {FILE}. Run: python -m builders init {folder}"
        )
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        summary = " ".join(str(error).split())
        raise WorkspaceError(f"{path} cannot be read as YAML ({summary}). Mend it.") from error
    settings = _read(Settings, loaded, str(path))
    _check(settings, path)
    return settings


def _check(settings: Settings, path: Path) -> None:
    """What types alone do not say."""

    def wrong(what: str, got: object, wanted: str) -> WorkspaceError:
        return WorkspaceError(f"{path}: {what} is {shown(got)}, wanted {wanted}.")

    release, collect = settings.release, settings.collect
    if not ID_PATTERN.fullmatch(release.name):
        raise wrong("release.name", release.name, "letters, digits, '.', '_' and '-'")
    if not VERSION_PATTERN.fullmatch(release.version):
        raise wrong("release.version", release.version, "'1.2.3'")
    for subject_id in settings.subjects:
        if not ID_PATTERN.fullmatch(subject_id):
            raise wrong("a subject", subject_id, "letters, digits, '.', '_' and '-'")
    if not settings.subjects:
        raise wrong("subjects", {}, "at least one")
    if collect.own is None and not collect.manifests:
        raise wrong("collect", {}, "`own` photos, `manifests`, or both")
    if collect.long_side < 256:
        raise wrong("collect.long_side", collect.long_side, "at least 256")
    if collect.series_gap_minutes < 0:
        raise wrong("collect.series_gap_minutes", collect.series_gap_minutes, "0 or more")
    if settings.split.train < 1 or settings.split.test < 1:
        raise wrong("split", (settings.split.train, settings.split.test), "at least 1 and 1")
    for licence in collect.allow:
        if licence not in ALLOWED:
            raise WorkspaceError(
                f"{path}: collect.allow: {unknown_name('licence', licence, ALLOWED)}"
            )
    captions = settings.captions
    if not 1 <= captions.per_photo <= 100:
        raise wrong("captions.per_photo", captions.per_photo, "1 to 100")
    if captions.endpoint and (captions.file or captions.model):
        given = captions.file or captions.model
        raise wrong("captions", given, "either that, or an `endpoint`")
    for name in ("endpoint", "refiner_endpoint"):
        _check_endpoint(getattr(captions, name), f"{path}: captions.{name}")
    for kind in ("photos", "captions", "masks"):
        names = getattr(settings.review, kind)
        if len(set(names)) < len(names):
            raise wrong(f"review.{kind}", list(names), "different people")
        for name in names:
            if not ID_PATTERN.fullmatch(name):
                raise wrong(f"review.{kind}", name, "names of letters, digits, '.', '_' and '-'")


def _check_endpoint(endpoint: EndpointSettings | None, where: str) -> None:
    """An address, and nothing that looks like a secret: settings are shown to others."""
    if endpoint is None:
        return
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WorkspaceError(
            f"{where}.url is {shown(endpoint.url)}, wanted an address with its version: "
            "https://…/v1."
        )
    if parts.username or parts.password or parts.query:  # not shown: it may be the key
        raise WorkspaceError(
            f"{where}.url holds a user, password or query, wanted the bare address. Put the key "
            "into an environment variable, and that variable's name into key_variable."
        )
    if not endpoint.model:
        raise WorkspaceError(f"{where}.model is empty, wanted the model's name at the endpoint.")
    if endpoint.key_variable and not _VARIABLE.fullmatch(endpoint.key_variable):
        raise WorkspaceError(  # not shown: it may be the key
            f"{where}.key_variable is no name of an environment variable, wanted one like "
            "OPENAI_API_KEY. If you put the key itself there, take it out of the file."
        )


def _read(kind: type[_T], value: object, where: str) -> _T:
    """A dataclass out of plain YAML values."""
    if not isinstance(value, dict):
        raise WorkspaceError(f"{where} is {shown(value)}, wanted keys and values.")
    hints = typing.get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise WorkspaceError(f"{where}: {unknown_name('key', str(key), hints)}")
    for own in dataclasses.fields(kind):  # type: ignore[arg-type]
        required = own.default is dataclasses.MISSING and own.default_factory is dataclasses.MISSING
        if required and own.name not in value:
            raise WorkspaceError(f"{where} lacks '{own.name}'. Add it.")
    return kind(**{key: _value(hints[key], got, f"{where}: {key}") for key, got in value.items()})


def _value(hint: Any, value: object, where: str) -> Any:
    """One value of the wanted type, or an error that names it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # only "X | None" is used
        return None if value is None else _value(arguments[0], value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _read(hint, value, where)
    if origin is Literal:
        if value not in arguments:
            raise WorkspaceError(f"{where} is {shown(value)}, wanted {' or '.join(arguments)}.")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise WorkspaceError(f"{where} is {shown(value)}, wanted a list.")
        return tuple(_value(arguments[0], item, where) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise WorkspaceError(f"{where} is {shown(value)}, wanted keys and values.")
        return {str(k): _value(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if type(value) is not hint:  # also: True is no int here
        raise WorkspaceError(f"{where} is {shown(value)}, wanted {hint.__name__}.")
    return value
