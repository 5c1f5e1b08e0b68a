"""In: a release's rows. Out: what lies beside its card: word figure, contact sheets, Croissant."""

import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from builders.rows import About, PhotoRow
from pdst.digest import digest_bytes
from pdst.images import decode_rgb
from pdst.release import SCHEMAS, SPLITS, shard_paths
from pdst.types import SLOT

WORDS = 40
"""In the word figure."""

THUMB = 160
"""Pixels of a contact sheet's cell."""

COLUMNS = 10

CITATION = (
    "Li et al., Towards More Accurate Personalized Image Generation: Addressing Overfitting and "
    "Evaluation Bias, arXiv 2503.06632"
)

STOP_WORDS = frozenset({
    "a", "an", "the", "and", "or", "but", "of", "in", "on", "at", "to", "by", "for", "from",
    "with", "without", "into", "onto", "over", "under", "behind", "beside", "between", "before",
    "after", "near", "next", "up", "down", "off", "out", "as", "is", "are", "was", "were", "be",
    "been", "being", "it", "its", "his", "her", "their", "this", "that", "these", "those",
    "there", "which", "who", "has", "have", "had", "while", "another", "some", "one", "two", "s",
})  # fmt: skip


def word_counts(captions: Sequence[str]) -> list[tuple[str, int]]:
    """The commonest words, without articles, prepositions and the like, the commonest first."""
    words = Counter(
        word
        for caption in captions
        for word in re.findall(r"[a-z]+(?:-[a-z]+)*", caption.replace(SLOT, " ").casefold())
        if word not in STOP_WORDS
    )
    return sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:WORDS]


def word_figure(path: Path, captions: Sequence[str]) -> None:
    """Draw how often the commonest words are used.

    The paper's Figure 3 as bars, in place of a cloud, whose sizes cannot be read off.
    """
    counts = word_counts(captions)
    line, left, width = 22, 150, 760
    figure = Image.new("RGB", (width, line * max(len(counts), 1) + 20), "white")
    draw, font = ImageDraw.Draw(figure), ImageFont.load_default(size=14)
    most = counts[0][1] if counts else 1
    for index, (word, number) in enumerate(counts):
        top = 10 + index * line
        length = round((width - left - 70) * number / most)
        draw.text((left - 10, top + line / 2), word, fill="black", font=font, anchor="rm")
        draw.rectangle((left, top + 3, left + length, top + line - 4), fill="#4878a8")
        draw.text(
            (left + length + 8, top + line / 2), str(number), fill="black", font=font, anchor="lm"
        )
    figure.save(path, "PNG", optimize=True)


def contact_sheet(path: Path, rows: Sequence[PhotoRow]) -> None:
    """Small pictures of the photos, each with its name, in the release's order."""
    cell = THUMB + 18
    lines = max(1, -(-len(rows) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (THUMB + 6), lines * cell), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for index, row in enumerate(rows):
        image = decode_rgb(row.image, row.name)
        image.thumbnail((THUMB, THUMB))
        left, top = index % COLUMNS * (THUMB + 6), index // COLUMNS * cell
        sheet.paste(image, (left + (THUMB - image.width) // 2, top + (THUMB - image.height) // 2))
        draw.text((left + 2, top + THUMB + 2), row.name, fill="black", font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    path.write_bytes(buffer.getvalue())


def croissant(folder: Path, about: About, fingerprint: str) -> None:
    """Write croissant.json, the data set's machine-readable description (Croissant 1.0).

    Args:
        folder: holds the finished Parquet files.
        about: the words.
        fingerprint: of the rows; in the description, as Croissant has no field of its own for it.
    """
    files = [path for split in SPLITS for path in shard_paths(folder, split)]
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "version": about.version,
        "citeAs": CITATION,
        "description": f"{' '.join(about.summary.split())} Fingerprint: {fingerprint}",
        "license": about.licence_fields.get("license_link")
        or about.licence_fields.get("license", "other"),
        "url": about.licence_fields.get("url", "https://arxiv.org/abs/2503.06632"),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path.name,
                "name": path.name,
                "contentUrl": path.name,
                "encodingFormat": "application/x-parquet",
                "contentSize": f"{path.stat().st_size} B",
                "sha256": digest_bytes(path.read_bytes()),
            }
            for path in files
        ],
        "recordSet": [_record_set(path) for path in files],
    }
    text = json.dumps(metadata, indent=1, ensure_ascii=False)
    (folder / "croissant.json").write_text(f"{text}\n", encoding="utf-8")


def _record_set(path: Path) -> dict[str, object]:
    split = next(split for split in SPLITS if path.name.startswith(split))
    name = path.name.removesuffix(".parquet")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [_field(name, path.name, column) for column in SCHEMAS[split].names],
    }


def _field(record_set: str, file: str, column: str) -> dict[str, object]:
    source: dict[str, object] = {
        "fileObject": {"@id": file},
        "extract": {"column": column},
    }
    field: dict[str, object] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column}",
        "name": column,
        "dataType": "sc:Text",
        "source": source,
    }
    if column in ("image", "mask"):
        field["dataType"] = "sc:ImageObject"
        source["transform"] = {"jsonPath": "bytes"}
    if column == "captions":
        field["repeated"] = True
    return field


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
