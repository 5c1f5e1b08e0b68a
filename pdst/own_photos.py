"""In: a folder of somebody's own photos. Out: a subject to learn. No torch."""

import re
from pathlib import Path

from pdst.digest import digest_bytes
from pdst.errors import DatasetError
from pdst.types import ID_PATTERN, Kind, Photo, Subject

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def own_subject(
    images: Path,
    *,
    class_noun: str,
    init_token: str | None = None,
    kind: Kind = "rigid",
    subject_id: str | None = None,
) -> Subject:
    """Make a subject of a folder of photos; without masks, which `pdst.masks` adds.

    Args:
        images: the folder; every photo in it shows the subject.
        class_noun: what the subject is ("dog").
        init_token: one word that a learned word starts from; None: the noun's last word.
        kind: "living" or "rigid".
        subject_id: None: the folder's name, as far as it can be one.

    Raises:
        DatasetError: if there is no photo, or one stands there twice.
        UnreadableImageError: if one is damaged.
    """
    if not images.is_dir():
        raise DatasetError(f"{images} is no folder. Give one with the subject's photos.")
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        other = sorted({path.suffix for path in images.iterdir() if path.is_file()})
        raise DatasetError(
            f"{images} holds no photo{f', but files of {other}' if other else ''}. Wanted "
            f"{', '.join(SUFFIXES)}; three to five photos are usual."
        )
    if not class_noun.strip():
        raise DatasetError("The class noun is empty, wanted what the subject is: dog, mug, ….")
    photos = tuple(_photo(path) for path in paths)
    _require_different(paths, photos)
    name = subject_id if subject_id is not None else _as_id(images.resolve().name)
    if not ID_PATTERN.fullmatch(name):
        raise DatasetError(
            f"The subject id is '{name}', wanted letters, digits, '.', '_' and '-', at most 100."
        )
    return Subject(
        subject_id=name,
        class_noun=class_noun.strip(),
        init_token=init_token or class_noun.split()[-1],
        kind=kind,
        train=photos,
    )


def _photo(path: Path) -> Photo:
    photo = Photo(
        image_id=_as_id(path.stem),
        sha256=digest_bytes(path.read_bytes()),
        encoded=path.read_bytes,
        source=path.name,
    )
    photo.image()  # a damaged one is to be told now
    return photo


def _require_different(paths: list[Path], photos: tuple[Photo, ...]) -> None:
    """Photos must differ, in name and in content: a photo that counts twice is learned twice."""
    seen: dict[str, str] = {}
    for path, photo in zip(paths, photos, strict=True):
        for key in (photo.sha256, photo.image_id):
            if key in seen:
                raise DatasetError(
                    f"{seen[key]} and {path.name} are the same photo, by content or by name. Keep "
                    "one."
                )
            seen[key] = path.name


def _as_id(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "subject"
