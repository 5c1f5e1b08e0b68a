"""In: what the user says about masks ("florence-sam2", a folder, …). Out: a segmenter."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pdst.errors import unknown_name
from pdst.masks.files import MaskFiles
from pdst.masks.florence_sam2 import FlorenceSam2
from pdst.masks.grabcut import GrabCut
from pdst.masks.saliency import Saliency
from pdst.masks.segmenter import Segmenter, SegmenterError

AUTO = "auto"
"""The best that there is: Florence-2 with SAM 2."""

SEGMENTERS: Mapping[str, Callable[[], Segmenter]] = {
    "florence-sam2": FlorenceSam2,
    "grabcut": GrabCut,
    "saliency": Saliency,
}
"""By name; making one loads nothing."""

_NETWORK = "saliency:"


def segmenter_named(name: str) -> Segmenter:
    """The segmenter of that name.

    Args:
        name: "auto" or "florence-sam2", "saliency" or "saliency:NETWORK", "grabcut", or a folder of
            mask files.

    Raises:
        SegmenterError: if it is none of these.
    """
    if name == AUTO:
        return FlorenceSam2()
    if name in SEGMENTERS:
        return SEGMENTERS[name]()
    if name.startswith(_NETWORK):
        return Saliency(name.removeprefix(_NETWORK))
    if Path(name).expanduser().is_dir():
        return MaskFiles(name)
    known = unknown_name("segmenter", name, (AUTO, *SEGMENTERS))
    raise SegmenterError(f"{known} A folder of mask files is another way; '{name}' is none.")
