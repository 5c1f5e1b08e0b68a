"""In: the miniature's truth set. Out: pictures whose fidelity is known, as nouns. No torch.

A score that claims to measure likeness or obedience can be tested on pictures for which both are
facts. The set holds 60 subjects, three a class, that no network of the miniature was trained on:

* **Fidelity.** A reference picture, and pictures of the subject, or of somebody else, in three
  other scenes: another place and camera, and another action wherever one shows the changes. The
  levels, most faithful first:

  | level | who is in the picture |
  |---|---|
  | `same` | the subject |
  | `changed-1` | the subject with one of nine parameters changed |
  | `changed-2` | that one and another changed |
  | `changed-4` | those two and two more changed |
  | `other-identity` | another individual of the class, at least six of the nine different |
  | `other-class` | another class |

  The parameters: main, second and third colour, pattern, motif, build, three shapes of parts. A
  level contains the changes of the one before, so the order is a fact and no judgement; how *far*
  two levels lie apart depends on the parameter. Every level of a scene has the same place, light,
  action, camera, accessory and prop, so fidelity says nothing about the background, nor the
  background about fidelity. In each class every parameter is the first to change exactly once,
  and the second exactly once; and every change shows: it moves at least 2.5 % of the subject's
  pixels, in the scene and (alone) in the reference.
* **Faithfulness.** A caption that tells place, action and prop, and pictures of which it is true
  (`right`), or of which one, two or all three of these are wrong (`wrong-1`, `wrong-2`,
  `wrong-3`), or the class of the subject too (`wrong-class`). Again each level contains the errors
  of the one before, everything else stays, and all six orders are equally frequent in each class.
* **Background.** The subject and another individual, each on the reference's background and on
  another one, in one pose that is not the reference's.

Pictures are 64 pixels a side, as the miniature's networks see and make them, rounded to
multiples of five of 255 levels, and stored without loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pdst.digest import Json, digest_json
from pdst.errors import DatasetError
from pdst.images import decode_rgb, pixel_digest
from pdst.miniature import TRUTH
from pdst.types import Kind

FidelityLevel: TypeAlias = Literal[
    "same", "changed-1", "changed-2", "changed-4", "other-identity", "other-class"
]
FIDELITY_LEVELS: tuple[FidelityLevel, ...] = (
    "same",
    "changed-1",
    "changed-2",
    "changed-4",
    "other-identity",
    "other-class",
)
"""Most faithful first."""
WITHIN_CLASS = FIDELITY_LEVELS[:-1]
"""Those that show the subject's class."""

FaithfulnessLevel: TypeAlias = Literal["right", "wrong-1", "wrong-2", "wrong-3", "wrong-class"]
FAITHFULNESS_LEVELS: tuple[FaithfulnessLevel, ...] = (
    "right",
    "wrong-1",
    "wrong-2",
    "wrong-3",
    "wrong-class",
)
"""Most faithful first."""
OF_THE_SCENE = FAITHFULNESS_LEVELS[:-1]
"""Those that differ in place, action and prop only."""

Series: TypeAlias = Literal["reference", "fidelity", "background", "faithfulness"]

FILE = "truth-00000-of-00001.parquet"
SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("class_noun", pa.string()),
        ("kind", pa.string()),
        ("series", pa.string()),
        ("scene", pa.int32()),
        ("level", pa.string()),
        ("differs", pa.list_(pa.string())),
        ("drawn_class", pa.string()),
        ("place", pa.string()),
        ("weather", pa.string()),
        ("light", pa.string()),
        ("action", pa.string()),
        ("prop", pa.string()),
        ("caption", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ]
)
"""One row a picture. `differs`: parameters unlike the subject's, or facts unlike the caption's.
`scene` counts the subject's scenes, or its captions. `prop` and `caption` may be null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """A drawn picture and what it shows.

    Attributes:
        class_noun: of who is drawn; not always the subject's.
        prop: "red ball"; None: there is none.
        encoded: an image file's bytes.
    """

    class_noun: str
    place: str
    weather: str
    light: str
    action: str
    prop: str | None
    encoded: bytes = field(repr=False)

    def image(self) -> Image.Image:
        """Decode the pixels: an "RGB" image of 64 x 64."""
        return decode_rgb(self.encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthPair:
    """A reference and a picture that is so faithful to its subject.

    Attributes:
        scene: which of the subject's scenes; all levels share a scene.
        level: see the module.
        differs: the parameters in which who is drawn is unlike the subject; all of them for
            another class.
    """

    subject_id: str
    class_noun: str
    kind: Kind
    scene: int
    level: FidelityLevel
    differs: tuple[str, ...]
    reference: Render
    render: Render


@dataclass(frozen=True, slots=True, kw_only=True)
class FaithfulnessCase:
    """A caption and a picture that is so faithful to it.

    Attributes:
        scene: which of the subject's captions.
        level: see the module.
        differs: what is wrong: some of "place", "action", "prop", "class".
        caption: with one `{}`.
    """

    subject_id: str
    class_noun: str
    kind: Kind
    scene: int
    level: FaithfulnessLevel
    differs: tuple[str, ...]
    caption: str
    render: Render


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundSquare:
    """Two individuals on two backgrounds, all in one pose, which is not the reference's.

    Attributes:
        reference: the subject on its background.
        unmoved: the subject on the reference's background.
        moved: the subject on another one.
        swapped: another individual of the class on the reference's background.
        both: that individual on the other background.
    """

    subject_id: str
    class_noun: str
    kind: Kind
    reference: Render
    unmoved: Render
    moved: Render
    swapped: Render
    both: Render


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The truth set, or any set of its form.

    Attributes:
        fingerprint: sha256 over all facts and pixels.
    """

    fingerprint: str
    pairs: tuple[TruthPair, ...]
    faithfulness: tuple[FaithfulnessCase, ...]
    backgrounds: tuple[BackgroundSquare, ...]


def load_truth(path: Path = TRUTH / FILE) -> Truth:
    """Read a truth set.

    Args:
        path: a Parquet file of `SCHEMA`.

    Raises:
        DatasetError: if there is none, or it is no truth set.
    """
    if not path.is_file():
        raise DatasetError(
            f"{path}: no such file, wanted the miniature's truth set, which an installed pdst "
            "holds. In a checkout run: python -m builders miniature truth"
        )
    try:
        return truth_from_rows(pq.read_table(path, schema=SCHEMA).to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError, StopIteration) as error:
        raise DatasetError(
            f"{path}: wanted a truth set, one row a picture; got something else "
            f"({type(error).__name__}: {error}). Make it anew: python -m builders miniature truth"
        ) from error


def truth_from_rows(rows: Sequence[dict[str, Any]]) -> Truth:
    """Join rows of `SCHEMA` to pairs, cases and squares.

    Raises:
        KeyError: if a subject has no reference, or a background square lacks a corner.
    """
    references = {row["subject_id"]: _render(row) for row in rows if row["series"] == "reference"}
    fidelity = [row for row in rows if row["series"] == "fidelity"]
    pairs = tuple(
        TruthPair(
            subject_id=row["subject_id"],
            class_noun=row["class_noun"],
            kind=row["kind"],
            scene=row["scene"],
            level=row["level"],
            differs=tuple(row["differs"]),
            reference=references[row["subject_id"]],
            render=_render(row),
        )
        for row in fidelity
    )
    cases = tuple(
        FaithfulnessCase(
            subject_id=row["subject_id"],
            class_noun=row["class_noun"],
            kind=row["kind"],
            scene=row["scene"],
            level=row["level"],
            differs=tuple(row["differs"]),
            caption=row["caption"],
            render=_render(row),
        )
        for row in rows
        if row["series"] == "faithfulness"
    )
    return Truth(
        fingerprint=fingerprint(rows),
        pairs=pairs,
        faithfulness=cases,
        backgrounds=_squares(rows, references),
    )


def fingerprint(rows: Sequence[dict[str, Any]]) -> str:
    """sha256 over facts and pixels, whatever the order of rows and the format of images."""
    listed = [
        {
            **{name: value for name, value in row.items() if name != "image"},
            "image": pixel_digest(decode_rgb(row["image"]["bytes"])),
        }
        for row in rows
    ]
    return digest_json(cast("Json", sorted(listed, key=digest_json)))


def _squares(
    rows: Sequence[dict[str, Any]], references: dict[str, Render]
) -> tuple[BackgroundSquare, ...]:
    corners = {
        (row["series"], row["subject_id"], row["scene"], row["level"]): _render(row)
        for row in rows
        if row["series"] in ("fidelity", "background")
    }
    return tuple(
        BackgroundSquare(
            subject_id=row["subject_id"],
            class_noun=row["class_noun"],
            kind=row["kind"],
            reference=references[row["subject_id"]],
            unmoved=_render(row),
            moved=corners["fidelity", row["subject_id"], row["scene"], "same"],
            swapped=corners["background", row["subject_id"], row["scene"], "other-identity"],
            both=corners["fidelity", row["subject_id"], row["scene"], "other-identity"],
        )
        for row in rows
        if row["series"] == "background" and row["level"] == "same"
    )


def _render(row: dict[str, Any]) -> Render:
    return Render(
        class_noun=row["drawn_class"],
        place=row["place"],
        weather=row["weather"],
        light=row["light"],
        action=row["action"],
        prop=row["prop"],
        encoded=row["image"]["bytes"],
    )
