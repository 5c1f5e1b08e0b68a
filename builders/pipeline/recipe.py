"""In: rows whose photos may not be given away. Out: a recipe; of it and the photos, the release.

A recipe holds sources, hashes, captions and masks, and no photo. Whoever gets the photos themselves
gives them to `build_recipe`, which makes the very release, or says which photos are not the ones.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builders import card
from builders.collect.ingest import ingest
from builders.pack import write_release
from builders.pipeline.settings import WorkspaceError
from builders.rows import About, Dropped, PhotoRow
from pdst.digest import digest_bytes
from pdst.errors import PdstError
from pdst.release import CARD_NAME, fingerprint

RECIPE = "recipe.json"
SCHEMA = 1


def write_recipe(
    folder: Path,
    rows: tuple[PhotoRow, ...],
    about: About,
    *,
    originals: Mapping[str, str],
    long_side: int,
) -> None:
    """Write a recipe, whole or not at all; an older one there goes.

    Args:
        folder: for the recipe alone.
        rows: of the release.
        about: what its card says.
        originals: photo name -> sha256 of the file that the photo was made from.
        long_side: of stored photos, at most.
    """
    digest = fingerprint(row.content() for row in rows)
    recipe = {
        "schema": SCHEMA,
        "fingerprint": digest,
        "long_side": long_side,
        "about": {**asdict(about), "licence_fields": dict(about.licence_fields)},
        "photos": [_described(row, originals[row.name]) for row in rows],
    }
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for row in rows:
        if row.mask is not None:
            path = _mask_path(fresh, row.subject_id, row.image_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row.mask)
    text = json.dumps(recipe, indent=1, ensure_ascii=False)
    (fresh / RECIPE).write_text(f"{text}\n", encoding="utf-8")
    (fresh / CARD_NAME).write_text(_readme(rows, about, digest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def build_recipe(folder: Path, photos: Path, out: Path) -> str:
    """Make the release of a recipe from photos that somebody has got.

    Args:
        folder: the recipe.
        photos: a folder that holds the photos, under any names: they are known by their hashes.
        out: where the release goes.

    Returns:
        Its fingerprint, the one that the recipe names.

    Raises:
        WorkspaceError: if photos are missing or are not the ones; it names all of them.
    """
    recipe = _read(folder)
    at_hand = {
        digest_bytes(path.read_bytes()): path
        for path in sorted(photos.rglob("*"))
        if path.is_file()
    }
    rows, problems = [], []
    for entry in recipe["photos"]:
        name = f"{entry['subject_id']}/{entry['image_id']}"
        path = at_hand.get(entry["original_sha256"]) or at_hand.get(entry["sha256"])
        if path is None:
            problems.append(
                f"{name}: no file has sha256 {entry['original_sha256'][:12]}…. Get it from "
                f"{entry['source']}, by {entry['author']}, unedited."
            )
            continue
        try:
            made = ingest(path.read_bytes(), recipe["long_side"], str(path)).data
        except PdstError as error:
            problems.append(str(error))
            continue
        if digest_bytes(made) != entry["sha256"]:
            problems.append(
                f"{name}: {path.name} is the right file, but this Pillow or libjpeg resizes it to "
                "other bytes than the recipe's. Use the recipe's version of Pillow."
            )
        rows.append(_row(folder, entry, made))
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WorkspaceError(f"{len(problems)} photos of the recipe cannot be used:\n{lines}")
    digest = fingerprint(row.content() for row in rows)
    if digest != recipe["fingerprint"]:
        raise WorkspaceError(
            f"{folder / RECIPE}: the photos are right, but captions or masks are not those that "
            f"the recipe's fingerprint was made of ({digest[:12]}…, expected "
            f"{recipe['fingerprint'][:12]}…). Get the recipe again."
        )
    return write_release(out, rows, _about(recipe["about"]))


def _described(row: PhotoRow, original_sha256: str) -> dict[str, object]:
    said: dict[str, object] = asdict(row)
    said["sha256"] = digest_bytes(said.pop("image"))  # type: ignore[arg-type]
    said["mask"] = row.mask is not None
    return {**said, "original_sha256": original_sha256}


def _row(folder: Path, entry: Mapping[str, Any], image: bytes) -> PhotoRow:
    names = set(PhotoRow.__dataclass_fields__) - {"image", "mask", "captions"}
    mask = _mask_path(folder, entry["subject_id"], entry["image_id"])
    return PhotoRow(
        **{name: entry[name] for name in names},
        image=image,
        mask=mask.read_bytes() if entry["mask"] else None,
        captions=tuple(entry["captions"]),
    )


def _about(said: Mapping[str, Any]) -> About:
    dropped = tuple(Dropped(**entry) for entry in said["dropped"])
    return About(**{**said, "dropped": dropped})


def _read(folder: Path) -> dict[str, Any]:
    path = folder / RECIPE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"{path} cannot be read ({error}). Give a recipe's folder.") from error
    if not isinstance(recipe, dict) or recipe.get("schema") != SCHEMA:
        raise WorkspaceError(f"{path} is no recipe of schema {SCHEMA}. Give a recipe's folder.")
    return recipe


def _mask_path(folder: Path, subject_id: str, image_id: str) -> Path:
    return folder / "masks" / subject_id / f"{image_id}.png"


def _readme(rows: tuple[PhotoRow, ...], about: About, digest: str) -> str:
    sections = [
        f"# PDST {about.name} {about.version}, a recipe",
        about.summary.strip(),
        "The photos are not in here. `recipe.json` says where each is from, by whom, under which "
        "licence, and its sha256. Get them, put them into a folder under any names, then:",
        "```\npython -m builders recipe FOLDER --photos PHOTOS --out RELEASE\n```",
        "## What the release holds",
        card.counts_table(rows),
        f"Fingerprint of the content: `{digest}`",
        "## Subjects",
        card.subjects_table(rows),
        "## Licences",
        card.licences_table(rows),
        "## Attribution",
        card.attribution_list(rows),
        about.notes.strip(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
