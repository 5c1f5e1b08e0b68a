"""In: the Parquet files and what all stages found. Out: the release: card, figures, metadata."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from builders.card import render_card
from builders.documents import contact_sheet, croissant, word_figure
from builders.pack import replaced
from builders.pipeline.files import file_rows, files_hold
from builders.pipeline.provenance import provenance, sight
from builders.pipeline.recipe import write_recipe
from builders.pipeline.release_rows import left_out, release_rows
from builders.pipeline.rows import Candidate, FileRow, from_table, kept, to_table
from builders.pipeline.stage import Stage
from builders.pipeline.versions import versions
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from builders.rows import About, PhotoRow
from pdst.dataset import load
from pdst.digest import Json
from pdst.release import CARD_NAME, SPLITS, fingerprint

_PICTURES = """## Pictures

![Every train photo](train.jpg)

![Every test photo](test.jpg)

How often the captions use which words (articles, prepositions and the like are not counted):

![Bars: the commonest words of the captions](words.png)"""


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    release = workspace.settings.release
    reviewers: Json = {
        kind: list(names) for kind, names in asdict(workspace.settings.review).items()
    }
    return {
        "release": dict(asdict(release)),
        "reviewers": reviewers,
        "sight": sight(workspace),
        "decisions": digest_files([workspace.decisions], workspace.folder),
        "versions": versions("pillow", "pyyaml", "scikit-learn"),
    }


def about(workspace: Workspace) -> About:
    """What the card says beside the numbers of its rows."""
    release = workspace.settings.release
    licence = {
        "license": release.licence,
        "license_name": release.licence_name,
        "license_link": release.licence_link,
    }
    pictures = "" if workspace.is_recipe else _PICTURES
    parts = (pictures, provenance(workspace), release.notes.strip())
    notes = "\n\n".join(part for part in parts if part)
    return About(
        name=release.name,
        version=release.version,
        summary=release.summary,
        licence_fields={key: value for key, value in licence.items() if value},
        notes=notes,
        dropped=left_out(workspace),
    )


def _run(workspace: Workspace) -> Outcome:
    rows, words = release_rows(workspace), about(workspace)
    if workspace.is_recipe:
        photos = kept(from_table(Candidate, workspace.rows("split")))
        write_recipe(
            workspace.output,
            rows,
            words,
            originals={photo.name: photo.original_sha256 for photo in photos},
            long_side=workspace.settings.collect.long_side,
        )
    else:
        _write_release(workspace, rows, words)
    return Outcome(table=to_table(FileRow, file_rows(workspace.output)))


def _write_release(workspace: Workspace, rows: tuple[PhotoRow, ...], words: About) -> None:
    digest = fingerprint(row.content() for row in rows)
    with replaced(workspace.output, ours=True) as fresh:
        for path in sorted(workspace.packed.glob("*.parquet")):
            shutil.copyfile(path, fresh / path.name)
        write_documents(fresh, rows, words)
        card = render_card(fresh, rows, words, digest)
        (fresh / CARD_NAME).write_text(card, encoding="utf-8")
        croissant(fresh, words, digest)
        load(fresh)  # what pdst refuses to read never becomes a release


def write_documents(folder: Path, rows: tuple[PhotoRow, ...], words: About) -> None:
    """The pictures beside the card."""
    word_figure(folder / "words.png", [text for row in rows for text in row.captions])
    for split in SPLITS:
        contact_sheet(folder / f"{split}.jpg", [row for row in rows if row.split == split])


def _holds(workspace: Workspace) -> bool:
    return files_hold(workspace, "card", workspace.output)


STAGES_READ = ("collect", "review", "split", "check", "mask", "pack")

CARD = Stage(name="card", reads=STAGES_READ, inputs=_inputs, run=_run, holds=_holds)
