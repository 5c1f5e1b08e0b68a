"""In: a folder. Out: a tiny drawn release in it. For every test that needs a benchmark on disk.

`tiny_release(tmp_path / "tiny")` writes 3 subjects x (2 train + 3 test) photos with masks and
10 captions each: distinct pictures, correct hashes, a correct card. Pass `edit` to break it.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image, ImageDraw

from pdst.digest import digest_bytes
from pdst.release import SCHEMAS, SPLITS, Counts, card_fields, content_row, fingerprint

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[str, list[Row]]
"""{"train": [...], "test": [...]}: rows as the Parquet files will hold them."""

SUBJECTS = (("blob", "dog", "living"), ("box", "robot", "rigid"), ("can", "can", "rigid"))

SCENES = (
    "A {} on a red hill.",
    "Seen from above, a {} lies near the water.",
    "The {} stands behind a fence.",
    "Snow falls on a {} at night.",
    "A {} in front of a brick wall.",
    "A close view of the {} in the sun.",
    "Two trees and a {} between them.",
    "A {} waits at the side of a road.",
    "The {} leans against a white door.",
    "Grass grows around a {} in a garden.",
)


def png(image: Image.Image) -> bytes:
    """An image as PNG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def picture(seed: str, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A drawn photo: shapes and colours that depend on the seed; two seeds look different."""
    rng = random.Random(seed)
    image = Image.new("RGB", size, _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.uniform(-0.2, 0.9) * size[0], rng.uniform(-0.2, 0.9) * size[1]
        box = (x, y, x + rng.uniform(0.1, 0.6) * size[0], y + rng.uniform(0.1, 0.6) * size[1])
        rng.choice((draw.ellipse, draw.rectangle))(box, fill=_colour(rng))
    return image


def mask_of(size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A subject mask: an ellipse in the middle."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=255)
    return mask


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def tiny_rows(
    *,
    subjects: int = 3,
    train: int = 2,
    test: int = 3,
    size: tuple[int, int] = (96, 80),
    seed: str = "",
) -> Rows:
    """The rows of a tiny release; another `seed` draws other pictures."""
    rows: Rows = {"train": [], "test": []}
    for number in range(subjects):
        subject_id, noun, kind = SUBJECTS[number % len(SUBJECTS)]
        subject_id += "" if number < len(SUBJECTS) else str(number)
        for index in range(train + test):
            split = "train" if index < train else "test"
            image_id = f"{index:02}"
            data = png(picture(f"{seed}{subject_id}/{image_id}", size))
            row = {
                "subject_id": subject_id,
                "class_noun": noun,
                "init_token": noun,
                "kind": kind,
                "image_id": image_id,
                "image": {"bytes": data, "path": f"{subject_id}_{image_id}.png"},
                "mask": {"bytes": png(mask_of(size)), "path": f"{subject_id}_{image_id}_mask.png"},
                "source": f"https://example.org/{subject_id}/{image_id}",
                "author": "Nobody",
                "licence": "CC0-1.0",
                "licence_url": "https://creativecommons.org/publicdomain/zero/1.0/",
                "sha256": digest_bytes(data),
            }
            if split == "test":
                row["captions"] = [s.replace(".", f", view {index}.") for s in SCENES]
            rows[split].append(row)
    return rows


def replace_image(row: Row, data: bytes) -> None:
    """Give a row another image file, with the right hash."""
    row["image"] = {"bytes": data, "path": None}
    row["sha256"] = digest_bytes(data)


def write_release(
    folder: Path,
    rows: Rows,
    *,
    name: str = "tiny",
    version: str = "1.0.0",
    shards: int = 1,
    row_group_size: int = 4,
    counts: Counts | None = None,
) -> Path:
    """Write rows as a release, whatever is wrong with them; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.parquet"):
        old.unlink()
    for split in SPLITS:
        for shard in range(shards):
            part = rows[split][shard::shards]
            table = pa.Table.from_pylist(part, schema=SCHEMAS[split])
            path = folder / f"{split}-{shard:05}-of-{shards:05}.parquet"
            pq.write_table(table, path, row_group_size=row_group_size)
    content = [
        content_row(
            split,
            row,
            image_sha256=digest_bytes((row["image"] or {}).get("bytes") or b""),
            mask_sha256=digest_bytes(row["mask"]["bytes"]) if row["mask"] else None,
            captions=row.get("captions") or (),
        )
        for split in SPLITS
        for row in rows[split]
    ]
    front_matter = {"license": "cc0-1.0"} | card_fields(
        folder, name=name, version=version, fingerprint=fingerprint(content), counts=counts
    )
    write_card(folder, front_matter)
    return folder


def write_card(folder: Path, front_matter: dict[str, object]) -> None:
    """Write the card with this front matter."""
    text = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{text}---\n\n# A drawn release\n", encoding="utf-8")


def tiny_release(
    folder: Path,
    *,
    name: str = "tiny",
    subjects: int = 3,
    train: int = 2,
    test: int = 3,
    size: tuple[int, int] = (96, 80),
    seed: str = "",
    shards: int = 1,
    counts: Counts | None = None,
    edit: Callable[[Rows], None] | None = None,
) -> Path:
    """Draw a release into a folder and return the folder.

    Args:
        folder: is made if need be; old Parquet files in it go.
        name: of the release.
        subjects: how many.
        train: photos of each subject.
        test: photos of each subject.
        size: of every picture, in pixels.
        seed: draws other pictures.
        shards: Parquet files a split.
        counts: what the card promises.
        edit: changes the rows before they are written.
    """
    rows = tiny_rows(subjects=subjects, train=train, test=test, size=size, seed=seed)
    if edit is not None:
        edit(rows)
    return write_release(folder, rows, name=name, shards=shards, counts=counts)
