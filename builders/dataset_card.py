"""In: the text of DATASET_CARD.md. Out: the same, its tables computed from the data.

A table stands between two comments, `<!-- subjects -->` and `<!-- end -->`. No photo is needed:
what is counted of `dreambooth30` is in our own files, and the photos' hashes are listed; the
miniature is counted as it lies in the package.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders import card
from builders.language import leak_probe
from builders.pipeline.probing import Probed, probe_each, probe_table
from builders.rows import PhotoRow
from builders.sources import dreambooth30
from pdst.dataset import load
from pdst.errors import PdstError
from pdst.miniature import DATA
from pdst.release import SCENES_NAME
from pdst.types import Photo, Split, Subject

_SLOT = re.compile(r"<!-- (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


def fill_tables(text: str) -> str:
    """Put the computed tables into the card.

    Raises:
        PdstError: if the card asks for a table that is not known, or has no place for one.
    """
    rows, drawn = dreambooth30.without_photos(), stored_rows(DATA)
    tables = {
        "counts": card.counts_table(rows),
        "fingerprint": f"`{dreambooth30.published_fingerprint()}`",
        "subjects": card.subjects_table(rows),
        "captions": card.captions_table(rows),
        "leak-probe": probe_table(_probed(rows)),
        "left-out": card.dropped_table(dreambooth30.dropped()),
        "licences": card.licences_table(rows),
        "miniature-counts": card.counts_table(drawn),
        "miniature-fingerprint": f"`{load(DATA).fingerprint}`",
        "miniature-subjects": looks_table(DATA),
        "miniature-scenes": scenes_table(DATA),
        "miniature-captions": card.captions_table(drawn),
    }
    asked = [match["name"] for match in _SLOT.finditer(text)]
    if sorted(asked) != sorted(tables):
        raise PdstError(
            f"DATASET_CARD.md has places for {', '.join(asked) or 'nothing'}, wanted each of "
            f"{', '.join(tables)} once, as a line '<!-- NAME -->' and a line '<!-- end -->'."
        )
    return _SLOT.sub(
        lambda match: f"<!-- {match['name']} -->\n{tables[match['name']]}\n<!-- end -->", text
    )


def _probed(rows: Sequence[PhotoRow]) -> tuple[Probed, ...]:
    """What the words of the captions tell of a subject's class noun and kind."""
    of = [row for row in rows for _ in row.captions]
    captions, subjects = [text for row in rows for text in row.captions], [r.subject_id for r in of]
    return probe_each(of, lambda classes: leak_probe(captions, classes, subjects))


def stored_rows(folder: Path) -> tuple[PhotoRow, ...]:
    """The rows of a release on disk, images empty: for counting."""
    benchmark = load(folder)
    rows = [
        _row(subject, photo, "train") for subject in benchmark.subjects for photo in subject.train
    ]
    rows += [
        _row(benchmark.subject(test.subject_id), test.photo, "test", test.captions)
        for test in benchmark.test
    ]
    return tuple(rows)


def _row(subject: Subject, photo: Photo, split: Split, captions: tuple[str, ...] = ()) -> PhotoRow:
    return PhotoRow(
        split=split,
        subject_id=subject.subject_id,
        class_noun=subject.class_noun,
        init_token=subject.init_token,
        kind=subject.kind,
        image_id=photo.image_id,
        image=b"",
        suffix="",
        mask=None if photo.encoded_mask is None else photo.encoded_mask(),
        source=photo.source,
        author=photo.author,
        licence=photo.licence,
        licence_url=photo.licence_url,
        captions=captions,
    )


def looks_table(folder: Path) -> str:
    """What each subject of a drawn release looks like, by the facts that travel with it."""
    looks = {record["subject_id"]: record["scene"]["identity"] for record in _scene_records(folder)}
    names = ("main", "second", "third", "pattern", "motif")
    return card.table(
        ("subject, class noun and init token", *names),
        [(f"`{subject_id}`", *(own[name] for name in names)) for subject_id, own in looks.items()],
    )


def scenes_table(folder: Path) -> str:
    """How many photos of each split show what, by the facts that travel with a drawn release."""
    shown: dict[str, Counter[str]] = {"train": Counter(), "test": Counter()}
    for record in _scene_records(folder):
        scene, count = record["scene"], shown[record["split"]]
        count["photos"] += 1
        for kind in ("place", "light", "weather"):
            count[f"{kind}: {scene[kind]}"] += 1
        count["with an accessory"] += scene["accessory"] is not None
        count["with a prop"] += scene["prop"] is not None
        count["colour, place and action not together in any training"] += record["held_out"]
    order = ("photos", "place", "light", "weather", "with", "colour")
    names = sorted(
        {*shown["train"], *shown["test"]},
        key=lambda name: (order.index(re.split(r"\W", name)[0]), name),
    )
    return card.table(
        ("", "train photos", "test photos"),
        [(name, shown["train"][name], shown["test"][name]) for name in names],
    )


def _scene_records(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / SCENES_NAME).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
