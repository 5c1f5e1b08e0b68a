"""In: photos without a mask file. Out: masks of them by a segmenter, kept as they come."""

import json
from dataclasses import dataclass

from builders.pipeline.rows import Candidate
from builders.pipeline.workspace import Workspace
from pdst.digest import digest_bytes, digest_json
from pdst.files import write_json
from pdst.masks import Segmenter
from pdst.masks.segmenter import encode_mask
from pdst.types import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A mask, and what is known of it.

    Attributes:
        data: a PNG.
        source: the segmenter's label; "file" if somebody drew it.
        flags: reasons to look at it.
    """

    data: bytes
    source: str
    flags: tuple[str, ...] = ()


def segment(workspace: Workspace, photo: Candidate, segmenter: Segmenter) -> Drawn:
    """The mask of one photo; one that was made by a build before is not made again.

    Raises:
        SegmenterError: if the subject cannot be found, or the segmenter cannot work here.
    """
    noun = workspace.settings.subjects[photo.subject_id].class_noun
    key = digest_json([photo.sha256, segmenter.label, noun])
    facts = workspace.folder / "stored" / "segmented" / f"{key}.json"
    if not facts.is_file():
        data = workspace.photo(photo.file)
        found = segmenter.segment(
            Photo(image_id=photo.name, sha256=photo.sha256, encoded=lambda: data), noun
        )
        mask = encode_mask(found.mask)
        file = f"{digest_bytes(mask)}.png"
        workspace.write_stored("masks", file, mask)
        write_json(facts, {"mask": file, **found.facts()})
    said = json.loads(facts.read_text(encoding="utf-8"))
    return Drawn(
        data=workspace.mask(said["mask"]), source=said["source"], flags=tuple(said["flags"])
    )
