"""In: photos without a mask file. Out: masks of them by a segmenter, kept as they come.

They are kept under the segmenter's name in the settings, so that a network is loaded only if there
is a mask to be drawn; which weights drew it, its facts say.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from builders.pipeline.rows import Candidate
from builders.pipeline.workspace import Workspace
from pdst.digest import digest_bytes, digest_json
from pdst.files import write_json
from pdst.masks import Segmenter, segmenter_named
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


def open_segmenter(workspace: Workspace, photos: Sequence[Candidate]) -> Segmenter:
    """The segmenter of the settings; its networks are opened if one of the photos has no mask yet.

    Raises:
        SegmenterError: if there is none of that name, or it cannot be opened.
    """
    segmenter = segmenter_named(workspace.settings.masks.segmenter)
    if not all(_is_kept(workspace, photo) for photo in photos):
        _ = segmenter.label  # names the weights, so it opens them: once, not once a photo
    return segmenter


def segment(workspace: Workspace, photo: Candidate, segmenter: Segmenter) -> Drawn:
    """The mask of one photo; one that was made by a build before is not made again.

    Raises:
        SegmenterError: if the subject cannot be found, or the segmenter cannot work here.
    """
    if not _is_kept(workspace, photo):
        encoded = partial(workspace.photo, photo.file)
        found = segmenter.segment(
            Photo(image_id=photo.name, sha256=photo.sha256, encoded=encoded),
            workspace.settings.subjects[photo.subject_id].class_noun,
        )
        mask = encode_mask(found.mask)
        file = f"{digest_bytes(mask)}.png"
        workspace.write_stored("masks", file, mask)
        write_json(_facts(workspace, photo), {"mask": file, **found.facts()})
    said = json.loads(_facts(workspace, photo).read_text(encoding="utf-8"))
    return Drawn(
        data=workspace.mask(said["mask"]), source=said["source"], flags=tuple(said["flags"])
    )


def forget_segmented(workspace: Workspace) -> None:
    """Have all masks drawn anew; those of files stay."""
    shutil.rmtree(workspace.folder / "stored" / "segmented", ignore_errors=True)


def _facts(workspace: Workspace, photo: Candidate) -> Path:
    noun = workspace.settings.subjects[photo.subject_id].class_noun
    key = digest_json([photo.sha256, workspace.settings.masks.segmenter, noun])
    return workspace.folder / "stored" / "segmented" / f"{key}.json"


def _is_kept(workspace: Workspace, photo: Candidate) -> bool:
    facts = _facts(workspace, photo)
    if not facts.is_file():
        return False
    said = json.loads(facts.read_text(encoding="utf-8"))
    return (workspace.folder / "stored" / "masks" / str(said["mask"])).is_file()
