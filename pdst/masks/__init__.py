"""In: photos without masks, and what is in them. Out: masks, and what is to be doubted about each.

A segmenter is anything with the two members of `Segmenter`. Here are mask files, Florence-2 with
SAM 2, saliency networks, and GrabCut. What they need is imported when they are asked for a mask,
never before.

```python
segmenter = segmenter_named("florence-sam2")
subject, segmented = with_masks(subject, segmenter)
```
"""

from pdst.masks.choice import SEGMENTERS, segmenter_named
from pdst.masks.quality import cleaned, mask_flags
from pdst.masks.segmenter import Box, Segmented, Segmenter, SegmenterError, with_masks

__all__ = [
    "SEGMENTERS",
    "Box",
    "Segmented",
    "Segmenter",
    "SegmenterError",
    "cleaned",
    "mask_flags",
    "segmenter_named",
    "with_masks",
]
