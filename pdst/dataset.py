"""In: a release folder or name. Out: a Benchmark that reads pixels when it is asked for them.

The folder's format is written in `pdst.release`; `pdst.rows` reads and checks it.
"""

from collections.abc import Mapping
from pathlib import Path

from pdst import miniature
from pdst.errors import DatasetError, unknown_name
from pdst.release import Card, Finding, read_card
from pdst.rows import Release, Row, read_release
from pdst.types import KINDS, Benchmark, Kind, Photo, Subject, TestPhoto

EMBEDDED: Mapping[str, Path] = {"miniature": miniature.DATA}
"""Releases that travel with the package: name -> folder. The first is the default."""

HOW_TO_GET = (
    "With the package comes: miniature (20 drawn subjects).\n"
    "Build another release, in a checkout of the repository, and say where it is:\n"
    "  python -m builders dreambooth30 --from PHOTOS --out DIR   (30 subjects, real photos)\n"
    "  python -m builders sketch --out DIR                       (drawn, nothing to download)\n"
    "then pdst.load(DIR), load_dataset('pdst', data_dir=DIR) or --benchmark DIR."
)


def load(source: str | Path | None = None, *, data_dir: str | Path | None = None) -> Benchmark:
    """Load a release.

    Every hash is checked, and the fingerprint is recomputed. No image is decoded or kept.

    Args:
        source: a release folder; or the name of a release: one that travels with the package
            ("miniature"), or, with `data_dir`, the one that is in there.
        data_dir: a release folder. Neither: the miniature.

    Returns:
        Subjects ordered by id, their photos ordered by id, whatever the files' order is.

    Raises:
        DatasetError: if there is no such release, or for the first breach of the format; the
            message names the row. `pdst validate FOLDER` lists all breaches.
    """
    if data_dir is not None:
        folder = Path(data_dir).expanduser().resolve()
        open_card(folder, name=None if source is None else str(source))
    elif source is None or (isinstance(source, str) and source in EMBEDDED):
        folder = find_named(source)
    else:
        folder = Path(source).expanduser()
        if not folder.is_dir() and len(folder.parts) == 1:
            find_named(str(source))
        folder = folder.resolve()  # photos are read later, from whatever directory
    return _benchmark(read_checked(folder))


def find_named(name: str | None) -> Path:
    """The folder of a release that travels with the package; None: of the default one.

    Raises:
        DatasetError: if there is none of that name; the message says how to get one.
    """
    if name is None:
        name = next(iter(EMBEDDED))
    if name not in EMBEDDED:
        raise DatasetError(f"{unknown_name('embedded release', name, EMBEDDED)} {HOW_TO_GET}")
    return EMBEDDED[name]


def open_card(folder: Path, *, name: str | None = None) -> Card:
    """The card of a release.

    Args:
        folder: the release.
        name: which release it should be; None: any.

    Raises:
        DatasetError: if there is no card to read, or it is another release's.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder. {HOW_TO_GET}")
    card = read_card(folder, _refuse)
    assert card is not None, "a missing card has been refused"
    if name is not None and card.name != name:
        raise DatasetError(
            f"{folder} holds the release '{card.name}', asked for was '{name}'. "
            "Give the other folder, or the other name."
        )
    return card


def read_checked(folder: Path) -> Release:
    """The rows of a release without fault.

    Raises:
        DatasetError: for the first breach of the format.
    """
    open_card(folder)
    return read_release(folder, _refuse)


def _refuse(finding: Finding) -> None:
    if finding.severity == "error":
        raise DatasetError(f"{finding.where}: {finding.message}")


def _benchmark(release: Release) -> Benchmark:
    card, rows = release.card, release.rows
    assert card is not None, "a missing card has been refused"
    train: dict[str, list[Row]] = {}
    for row in rows:
        if row.split == "train":
            train.setdefault(row.texts["subject_id"], []).append(row)
    kinds: dict[str, Kind] = {kind: kind for kind in KINDS}
    subjects = tuple(
        Subject(
            subject_id=subject_id,
            class_noun=own[0].texts["class_noun"],
            init_token=own[0].texts["init_token"],
            kind=kinds[own[0].texts["kind"]],
            train=tuple(_photo(row) for row in own),
        )
        for subject_id, own in train.items()
    )
    test = tuple(
        TestPhoto(subject_id=row.texts["subject_id"], photo=_photo(row), captions=row.captions)
        for row in rows
        if row.split == "test"
    )
    return Benchmark(
        name=card.name,
        version=card.version,
        fingerprint=card.fingerprint,
        subjects=subjects,
        test=test,
    )


def _photo(row: Row) -> Photo:
    assert row.image is not None, "a missing image has been refused"
    return Photo(
        image_id=row.texts["image_id"],
        sha256=row.image.sha256,
        encoded=row.image,
        encoded_mask=row.mask,
        source=row.texts["source"],
        author=row.texts["author"],
        licence=row.texts["licence"],
        licence_url=row.texts["licence_url"],
    )
