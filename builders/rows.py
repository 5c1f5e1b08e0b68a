"""In: what a source knows of one photo. Out: typed rows; `pack` writes them, `card` counts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pdst.digest import Json, digest_bytes
from pdst.release import content_row
from pdst.types import Kind, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRow:
    """One photo of a release.

    Attributes:
        image: the image file's bytes, kept as they are. suffix: of its format, ".jpg".
        mask: a PNG, 255 = subject, of the image's size; None: no mask.
        source: where the photo is from, a URL where there is one.
        author, licence, licence_url: as the licence asks for them.
        captions: of a test photo, each with exactly one `{}`; of a train photo none.
    """

    split: Split
    subject_id: str
    class_noun: str
    init_token: str
    kind: Kind
    image_id: str
    image: bytes
    suffix: str
    mask: bytes | None
    source: str
    author: str
    licence: str
    licence_url: str
    captions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Subject and image: "dog6/03"."""
        return f"{self.subject_id}/{self.image_id}"

    def record(self) -> dict[str, object]:
        """The row as `pdst.release.SCHEMAS` has it."""
        record: dict[str, object] = {
            **self._texts(),
            "image": {"bytes": self.image, "path": f"{self.name}{self.suffix}"},
            "mask": self.mask and {"bytes": self.mask, "path": f"{self.name}.mask.png"},
            "source": self.source,
            "author": self.author,
            "licence": self.licence,
            "licence_url": self.licence_url,
            "sha256": digest_bytes(self.image),
        }
        return record | ({"captions": list(self.captions)} if self.split == "test" else {})

    def content(self, image_sha256: str | None = None) -> Mapping[str, Json]:
        """What of the row enters the release's fingerprint.

        Args:
            image_sha256: to be taken instead of the image's own, where the image is not at hand.
        """
        return content_row(
            self.split,
            self._texts(),
            image_sha256=image_sha256 or digest_bytes(self.image),
            mask_sha256=digest_bytes(self.mask) if self.mask else None,
            captions=self.captions,
        )

    def _texts(self) -> dict[str, str]:
        return {
            "subject_id": self.subject_id,
            "class_noun": self.class_noun,
            "init_token": self.init_token,
            "kind": self.kind,
            "image_id": self.image_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A photo that was collected and then left out.

    Attributes:
        image: "cat/03". split: where it would have stood; "-": it was left out before the split.
        like: the photo that it repeats, if that is why.
        reason: in a sentence, for the card.
    """

    image: str
    split: Split | Literal["-"]
    like: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a release's card says beside the numbers that are counted from its rows.

    Attributes:
        name, version: of the release.
        summary: Markdown, the first paragraphs.
        licence_fields: the hub's `license`, `license_name`, `license_link` front matter.
        notes: Markdown, the last section: how it was made, known faults.
        dropped: photos left out.
        usage: Python that opens it; None: what opens any folder.
    """

    name: str
    version: str
    summary: str
    licence_fields: Mapping[str, str]
    notes: str
    dropped: tuple[Dropped, ...] = ()
    usage: str | None = None
