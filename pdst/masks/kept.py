"""In: a segmenter and a folder. Out: the same segmenter's masks, each made once and kept there.

A training that goes on has to go on with the masks that it began with, and no network promises the
same pixels on another machine.
"""

import json
from pathlib import Path
from typing import Any

from pdst.files import whole_file, write_json
from pdst.images import decode_mask
from pdst.masks.segmenter import Box, Segmented, Segmenter, encode_mask
from pdst.types import Photo


class KeptMasks:
    """Masks that lie in a folder, or are made and put there, with what is known of each."""

    def __init__(self, segmenter: Segmenter, folder: Path) -> None:
        """Nothing is looked at yet.

        Args:
            segmenter: makes what is missing.
            folder: of this segmenter alone: `<image id>.png` and `<image id>.json`.
        """
        self.segmenter, self.folder = segmenter, folder

    @property
    def label(self) -> str:
        """The segmenter's."""
        return self.segmenter.label

    def segment(self, photo: Photo, class_noun: str) -> Segmented:
        """Read a photo's mask; make it if there is none of this photo and noun.

        Raises:
            SegmenterError: as the segmenter.
            UnreadableImageError: if a kept mask is damaged.
        """
        facts = self.folder / f"{photo.image_id}.json"
        mask = self.folder / f"{photo.image_id}.png"
        asked = {"photo": photo.sha256, "noun": class_noun}
        if facts.is_file() and mask.is_file():
            said: dict[str, Any] = json.loads(facts.read_text("utf-8"))
            if said["asked"] == asked:
                return _told(said, decode_mask(mask.read_bytes(), str(mask)))
        found = self.segmenter.segment(photo, class_noun)
        with whole_file(mask) as temporary:
            temporary.write_bytes(encode_mask(found.mask))
        write_json(facts, {"asked": dict(asked), **found.facts()})
        return found


def _told(said: dict[str, Any], mask: Any) -> Segmented:
    corners = said["box"]
    box = None
    if corners is not None:
        left, top, right, bottom = corners
        box = Box(left=left, top=top, right=right, bottom=bottom)
    return Segmented(
        mask=mask,
        source=said["source"],
        box=box,
        candidates=said["candidates"],
        quality=said["quality"],
        flags=tuple(said["flags"]),
    )
