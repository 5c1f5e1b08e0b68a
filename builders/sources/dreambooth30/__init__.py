"""In: the photos of google/dreambooth. Out: the rows of `dreambooth30`, a real-photo release.

Beside this file lie our captions and masks, the list of the photos with their hashes, the dataset
authors' list of sources, and what was left out and why. The photos themselves are not here.
README.md says how all of it was made.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from builders.rows import About, Dropped, PhotoRow
from builders.sources.dreambooth30.attribution import parse_credits
from builders.sources.dreambooth30.photos import COMMIT, SourceFile, read_sources
from pdst.release import SPLITS, fingerprint

NAME = "dreambooth30"
VERSION = "1.0.0"

HERE = Path(__file__).parent


def dropped() -> tuple[Dropped, ...]:
    """The photos that are left out, each with its reason."""
    lines = (HERE / "dropped.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Dropped(**json.loads(line)) for line in lines)


def files(*, without: Sequence[Dropped]) -> tuple[SourceFile, ...]:
    """The photos that a build needs.

    Args:
        without: photos left out.
    """
    out = {f"{d.image}.jpg" for d in without}
    listed = read_sources(HERE / "sources.jsonl")
    return tuple(source for name, source in listed.items() if name not in out)


def rows(photos: Mapping[str, bytes], *, without: Sequence[Dropped]) -> tuple[PhotoRow, ...]:
    """The rows of the release.

    Args:
        photos: "cat/00.jpg" -> bytes, for each of `files(without=without)`.
        without: photos left out.
    """
    out = {d.image for d in without}
    credit_of = parse_credits((HERE / "references_and_licenses.txt").read_text(encoding="utf-8"))
    result = []
    for subject in json.loads((HERE / "subjects.json").read_text(encoding="utf-8")):
        subject_id = subject["subject_id"]
        captions = json.loads((HERE / "captions" / f"{subject_id}.json").read_text("utf-8"))
        for split in SPLITS:
            for image_id in subject[split]:
                name = f"{subject_id}/{image_id}"
                if name in out:
                    continue
                page = f"https://github.com/google/dreambooth/blob/{COMMIT}/dataset/{name}.jpg"
                credit = credit_of[subject_id].of(image_id, page)
                mask = HERE / "masks" / f"{name}.png"
                result.append(
                    PhotoRow(
                        split=split,
                        subject_id=subject_id,
                        class_noun=subject["class_noun"],
                        init_token=subject["init_token"],
                        kind=subject["kind"],
                        image_id=image_id,
                        image=photos[f"{name}.jpg"],
                        suffix=".jpg",
                        mask=mask.read_bytes() if split == "train" else None,
                        source=credit.source,
                        author=credit.author,
                        licence=credit.licence,
                        licence_url=credit.licence_url,
                        captions=tuple(captions[image_id]) if split == "test" else (),
                    )
                )
    return tuple(result)


def without_photos() -> tuple[PhotoRow, ...]:
    """The rows of the published release, images empty: for counting."""
    out = dropped()
    return rows({source.file: b"" for source in files(without=out)}, without=out)


def published_fingerprint() -> str:
    """The fingerprint of the published release, known from our list of hashes without any photo."""
    listed = {source.file: source.sha256 for source in files(without=dropped())}
    return fingerprint(row.content(listed[f"{row.name}.jpg"]) for row in without_photos())


def about() -> About:
    """What the card says beside the counts."""
    return About(
        name=NAME,
        version=VERSION,
        summary=_SUMMARY,
        licence_fields={
            "license": "other",
            "license_name": "cc-by-4.0-and-unsplash",
            "license_link": "https://github.com/google/dreambooth/blob/"
            f"{COMMIT}/dataset/references_and_licenses.txt",
        },
        notes=(HERE / "README.md").read_text(encoding="utf-8").partition("\n")[2],
        dropped=dropped(),
    )


_SUMMARY = f"""
Real photographs of 30 subjects for PDST, a benchmark of personalized
image generation on held-out photos: a method learns a subject from its train photos and is scored
against test photos that it has never seen, each with ten captions in which `{{}}` stands for the
subject.

The photos are those of the DreamBooth dataset
([google/dreambooth](https://github.com/google/dreambooth) at commit `{COMMIT[:12]}`), resized; the
split, the captions and the masks are ours. **This is not the dataset of the PDST paper**, whose
photos were never released.
"""
