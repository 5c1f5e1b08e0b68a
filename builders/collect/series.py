"""In: files as cameras wrote them. Out: which photos were taken one after the other, by ordinal.

A session by the clock, for photos of which nobody said where they were taken. The times themselves
are read, compared and forgotten: no row, file or card says when anybody was where.
"""

import io
from collections.abc import Mapping
from datetime import datetime, timedelta

from PIL import Image

from builders.collect.heic import heic_exif, is_heic
from pdst.images import READABLE

_EXIF_IFD, _TAKEN = 0x8769, (0x9003, 0x9004)
"""Where EXIF says when a photo was taken, or made digital. Its other date (0x0132) is that of the
last change by a program, the same for all photos of an export."""


def taken_at(data: bytes) -> datetime | None:
    """When a photo was taken, by its camera's clock, whatever its time zone; None: not known."""
    try:
        if is_heic(data):
            tags = heic_exif(data, "photo").get_ifd(_EXIF_IFD)
        else:
            with Image.open(io.BytesIO(data), formats=READABLE) as image:
                tags = image.getexif().get_ifd(_EXIF_IFD)
    except Exception:  # readers raise anything; whether the pixels are whole is asked elsewhere
        return None
    for said in (tags.get(tag) for tag in _TAKEN):
        try:
            return datetime.strptime(str(said).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:  # missing, or "0000:00:00 00:00:00": the clock was never set
            continue
    return None


def number_series(taken: Mapping[str, datetime | None], gap: timedelta) -> Mapping[str, int]:
    """Which photos belong to one series: each was taken within `gap` of the one before it.

    Args:
        taken: name -> when.
        gap: at most, between two photos of a series.

    Returns:
        Name -> the series, from 1 in order of time; 0 where it is not known when.
    """
    numbers = dict.fromkeys(taken, 0)
    known = sorted((at, name) for name, at in taken.items() if at is not None)
    number, before = 0, None
    for at, name in known:
        if before is None or at - before > gap:
            number += 1
        numbers[name], before = number, at
    return numbers
