"""In: a release's rows and Parquet files. Out: its README.md, every number counted from them."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import yaml

from builders.rows import About, Dropped, PhotoRow
from pdst.release import Counts, card_fields
from pdst.types import KINDS


def render_card(folder: Path, rows: Sequence[PhotoRow], about: About, fingerprint: str) -> str:
    """The whole card.

    Args:
        folder: holds the finished Parquet files.
        rows: of the release, ordered by subject and image.
        about: the words.
        fingerprint: of the rows.
    """
    front_matter: dict[str, object] = {
        **about.licence_fields,
        "pretty_name": f"PDST {about.name}",
        "language": ["en"],
        "task_categories": ["text-to-image"],
        "tags": ["personalization", "subject-driven-generation", "benchmark", "pdst"],
        "size_categories": ["n<1K" if len(rows) < 1000 else "1K<n<10K"],
        **card_fields(
            folder,
            name=about.name,
            version=about.version,
            fingerprint=fingerprint,
            counts=counts(rows),
        ),
    }
    yaml_text = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True, width=100)
    sections = [
        f"# PDST {about.name} {about.version}",
        about.summary.strip(),
        "## What is in it",
        counts_table(rows),
        f"Fingerprint of the content: `{fingerprint}`",
        "## Open it",
        f"```python\n{about.usage or _usage(about.name)}\n```",
        "## Subjects",
        subjects_table(rows),
        "## Captions",
        captions_table(rows),
        "## Left out",
        dropped_table(about.dropped),
        "## Licences",
        licences_table(rows),
        "## Attribution",
        attribution_list(rows),
        about.notes.strip(),
    ]
    return f"---\n{yaml_text}---\n\n" + "\n\n".join(sections) + "\n"


def counts(rows: Sequence[PhotoRow]) -> Counts:
    """What the release promises to hold."""
    kinds = {row.subject_id: row.kind for row in rows}
    captions = {len(row.captions) for row in rows if row.split == "test"}
    return Counts(
        subjects=len(kinds),
        living=sum(kind == "living" for kind in kinds.values()),
        rigid=sum(kind == "rigid" for kind in kinds.values()),
        train=sum(row.split == "train" for row in rows),
        test=sum(row.split == "test" for row in rows),
        captions_per_photo=captions.pop() if len(captions) == 1 else None,
    )


def counts_table(rows: Sequence[PhotoRow]) -> str:
    """Subjects, photos, masks and captions, by kind and in all."""
    header = ("", "subjects", "train photos", "test photos", "masks", "captions")
    lines = []
    for label, kinds in (*((kind, (kind,)) for kind in KINDS), ("all", KINDS)):
        part = [row for row in rows if row.kind in kinds]
        lines.append(
            (
                label,
                len({row.subject_id for row in part}),
                sum(row.split == "train" for row in part),
                sum(row.split == "test" for row in part),
                sum(row.mask is not None for row in part),
                sum(len(row.captions) for row in part),
            )
        )
    return table(header, lines)


def subjects_table(rows: Sequence[PhotoRow]) -> str:
    """One line a subject."""
    header = ("subject", "class noun", "init token", "kind", "train", "test", "captions", "licence")
    lines = []
    for subject_id, part in _by_subject(rows):
        first = part[0]
        lines.append(
            (
                f"`{subject_id}`",
                first.class_noun,
                first.init_token,
                first.kind,
                sum(row.split == "train" for row in part),
                sum(row.split == "test" for row in part),
                sum(len(row.captions) for row in part),
                ", ".join(sorted({row.licence for row in part})),
            )
        )
    return table(header, lines)


def captions_table(rows: Sequence[PhotoRow]) -> str:
    """How many captions there are, how long, how often one is repeated."""
    captions = [caption for row in rows for caption in row.captions]
    if not captions:
        return "None."
    words = [len(caption.split()) for caption in captions]
    starts = sum(caption.startswith("A {}") for caption in captions)
    lines = [
        ("captions", len(captions)),
        ("different captions", len(set(captions))),
        ("words, shortest", min(words)),
        ("words, median", f"{statistics.median(words):g}"),
        ("words, longest", max(words)),
        ('start with "A {}"', starts),
    ]
    return table(("", "number"), lines)


def dropped_table(dropped: Sequence[Dropped]) -> str:
    """One line a photo that was collected and left out."""
    if not dropped:
        return "Nothing."
    lines = [(f"`{d.image}`", d.split, f"`{d.like}`" if d.like else "", d.reason) for d in dropped]
    return table(("photo", "split", "repeats", "reason"), lines)


def licences_table(rows: Sequence[PhotoRow]) -> str:
    """Photos under each licence."""
    number = Counter((row.licence, row.licence_url) for row in rows)
    lines = [(f"[{name}]({url})", n) for (name, url), n in sorted(number.items())]
    return table(("licence", "photos"), lines)


def attribution_list(rows: Sequence[PhotoRow]) -> str:
    """Who made each photo, where it is from, and under which licence; grouped by subject."""
    lines = []
    for subject_id, part in _by_subject(rows):
        made_by: dict[tuple[str, str], list[str]] = {}
        for row in part:
            link = row.source.startswith("http") and " " not in row.source
            shown = f"[{row.image_id}]({row.source})" if link else f"{row.image_id}: {row.source}"
            made_by.setdefault((row.author, row.licence), []).append(shown)
        for (author, licence), photos in made_by.items():
            lines.append(f"- `{subject_id}`: {author}, {licence}: {', '.join(photos)}")
    return "\n".join(lines)


def _usage(name: str) -> str:
    return (
        "import datasets, pdst\n"
        "\n"
        'ds = datasets.load_dataset("FOLDER")             # needs no pdst\n'
        f'ds = datasets.load_dataset("pdst", {json.dumps(name)}, data_dir="FOLDER")\n'
        'benchmark = pdst.load("FOLDER")                  # typed, checked, lazily decoded'
    )


def _by_subject(rows: Iterable[PhotoRow]) -> list[tuple[str, list[PhotoRow]]]:
    ordered = sorted(rows, key=lambda row: (row.subject_id, row.image_id))
    return [(key, list(part)) for key, part in groupby(ordered, key=lambda row: row.subject_id)]


def table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def _cell(value: object) -> str:
    """What somebody wrote, kept in its cell."""
    return " ".join(str(value).split()).replace("|", "\\|")
