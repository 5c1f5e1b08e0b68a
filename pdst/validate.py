"""In: a release folder, however broken. Out: every problem with it, never only the first.

`pdst.rows` finds what breaks the format. Here is what makes a release bad though it can be read:
counts, captions, attribution, masks, pixels, and test photos that stand in the train split, too.
"""

import io
import itertools
import json
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pdst.captions import LONG, bare_words, is_tidy, names_class, too_long
from pdst.clip_tokens import TokenCounter, find_counter
from pdst.errors import DatasetError
from pdst.images import UnreadableImageError, decode_mask, decode_rgb
from pdst.lookalikes import Likeness, Look, align, alignable, compare, look
from pdst.release import (
    CARD_DATA_FILES,
    CARD_FEATURES,
    CARD_NAME,
    Card,
    Counts,
    Finding,
    Report,
    error,
    files_digest,
    info,
    shown,
    warning,
)
from pdst.rows import Row, StoredBytes, read_release
from pdst.types import KINDS, SLOT

__all__ = ["Counts", "Finding", "findings_json", "findings_text", "validate"]

SMALL = 224
"""Pixels of the shorter side that the encoders read; a smaller photo has to be blown up."""

ORIENTATION, GPS = 0x0112, 0x8825
"""EXIF tags."""


def validate(folder: str | Path, *, expected: Counts | None = None) -> list[Finding]:
    """Find everything that is wrong with a release, or that somebody should look at.

    Decodes every image and compares photos pair by pair: some 20 ms a pair of train and test photo
    of one subject, so half a minute for the paper's 20 subjects.

    Args:
        folder: the release.
        expected: counts that it should have; what is None there is taken from its card.

    Returns:
        Errors first, then warnings, then what could not be checked; each in a fixed order. A
        release is fit for use if there is no error.

    Raises:
        DatasetError: if there is no such folder. Nothing inside it raises.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder. Give the folder of a release.")
    findings: list[Finding] = []
    release = read_release(folder, findings.append)
    counts = _promised(release.card, expected)
    if release.card is not None:
        _check_card(folder, release.card, findings.append)
    _check_counts(release.rows, counts, findings.append)
    _check_captions(release.rows, counts, findings.append)
    _check_ids(release.rows, findings.append)
    for row in release.rows:
        _check_attribution(row, findings.append)
    views = [_check_pictures(row, findings.append) for row in release.rows]
    _check_likenesses([view for view in views if view is not None], findings.append)
    return sorted(
        findings, key=lambda finding: ("error", "warning", "info").index(finding.severity)
    )


def findings_text(findings: Sequence[Finding]) -> str:
    """Findings for a terminal: one line each, and how many there are."""
    number = Counter(finding.severity for finding in findings)
    lines = [f"{f.severity:7} {f.code:18} {f.where}: {f.message}" for f in findings]
    parts = (f"{number[word]} {word}{'s' * (number[word] != 1)}" for word in ("error", "warning"))
    return "\n".join([*lines, ", ".join(parts)])


def findings_json(findings: Sequence[Finding]) -> str:
    """Findings for a program: a list of objects with the fields of `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


# --- card and counts -----------------------------------------------------------------------------


def _promised(card: Card | None, expected: Counts | None) -> Counts:
    counts = Counts() if card is None else card.counts
    if expected is not None:
        given = {f.name: getattr(expected, f.name) for f in fields(expected)}
        counts = replace(counts, **{name: n for name, n in given.items() if n is not None})
    return counts


def _check_card(folder: Path, card: Card, report: Report) -> None:
    """What `datasets` reads of the card; without it, the plain door does not open."""
    front_matter = card.front_matter
    configs, described = front_matter.get("configs"), front_matter.get("dataset_info")
    first = configs[0] if isinstance(configs, list) and configs else None
    if not isinstance(first, dict) or first.get("data_files") != CARD_DATA_FILES:
        message = f"configs[0].data_files is not {CARD_DATA_FILES}: load_dataset(FOLDER) fails."
        report(error("card-configs", CARD_NAME, message))
    elif files_digest(folder) not in str(first.get("description")):
        message = (
            "configs[0].description lacks the digest of these files, so load_dataset(FOLDER) may "
            "serve an older release from its cache. Rebuild the release."
        )
        report(warning("stale-cache", CARD_NAME, message))
    if not isinstance(described, dict) or described.get("features") != CARD_FEATURES:
        message = "dataset_info.features is not the release format's: load_dataset(FOLDER) fails."
        report(error("card-features", CARD_NAME, message))
    if not front_matter.get("license"):
        message = "no `license` in the front matter. Say under which licences it may be used."
        report(warning("card-licence", CARD_NAME, message))


def _check_counts(rows: Sequence[Row], promised: Counts, report: Report) -> None:
    def compare_counts(what: str, got: int, wanted: int | None, where: str = "counts") -> None:
        if wanted is not None and got != wanted:
            message = f"{got} {what}, wanted {wanted}. Add or drop some, or correct the counts."
            report(error("counts", where, message))

    kinds = {row.texts["subject_id"]: row.texts["kind"] for row in rows}
    compare_counts("subjects", len(kinds), promised.subjects)
    for kind in KINDS:
        got = sum(value == kind for value in kinds.values())
        compare_counts(f"{kind} subjects", got, getattr(promised, kind))
    total = Counter(row.split for row in rows)
    compare_counts("train photos", total["train"], promised.train)
    compare_counts("test photos", total["test"], promised.test)
    by_subject = Counter((row.texts["subject_id"], row.split) for row in rows)
    for subject_id in kinds:
        where = f"subject {shown(subject_id)[1:-1]}"
        train, test = by_subject[subject_id, "train"], by_subject[subject_id, "test"]
        compare_counts("train photos", train, promised.train_per_subject, where)
        compare_counts("test photos", test, promised.test_per_subject, where)
    for row in (row for row in rows if row.split == "test"):
        compare_counts("captions", len(row.captions), promised.captions_per_photo, row.where)


def _check_ids(rows: Sequence[Row], report: Report) -> None:
    """Ids become file names, and not every file system tells "Dog" from "dog"."""
    subjects = {row.texts["subject_id"] for row in rows}
    folded = Counter(subject_id.casefold() for subject_id in subjects)
    for subject_id in sorted(subjects):
        if folded[subject_id.casefold()] > 1:
            where = f"subject {shown(subject_id)[1:-1]}"
            message = "differs from another subject id by upper and lower case alone. Rename one."
            report(warning("id-case", where, message))


# --- texts ---------------------------------------------------------------------------------------


def _check_captions(rows: Sequence[Row], promised: Counts, report: Report) -> None:
    counter = find_counter()
    if counter is None:
        message = "caption lengths and init tokens: open_clip, which has CLIP's vocabulary, is not "
        report(info("not-counted", "captions", f"{message}installed. Run: pip install pdst[eval]"))
    checked: set[str] = set()
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        subject_id, token = row.texts["subject_id"], row.texts["init_token"]
        if counter is not None and token not in checked:
            checked.add(token)
            if (length := counter.count(token) - 2) != 1:
                message = f"init_token {shown(token)} is {length} CLIP tokens, wanted one word of 1"
                report(warning("init-token", row.where, f"{message}: choose a commoner one."))
        for index, caption in enumerate(row.captions):
            where = f"{row.where} caption {index}"
            _check_caption(caption, row.texts["class_noun"], counter, where, report)
            same = (subject_id, bare_words(caption))
            if caption.strip() and same in seen:
                message = f"{shown(caption)} repeats {seen[same]}. Write another one."
                report(warning("duplicate-caption", where, message))
            seen.setdefault(same, where)


def _check_caption(
    caption: str, noun: str, counter: TokenCounter | None, where: str, report: Report
) -> None:
    if not is_tidy(caption):
        message = f"{shown(caption)} has odd blanks, unprintable characters or over {LONG} letters."
        report(warning("caption-text", where, f"{message} Tidy it."))
    if names_class(caption, noun):
        message = (
            f"{shown(caption)} names the class ('{shown(noun)[1:-1]}'). The subject is {SLOT}."
        )
        report(warning("caption-leak", where, message))
    if counter is not None and (said := too_long(caption, noun, counter)):
        report(warning("caption-long", where, said))


def _check_attribution(row: Row, report: Report) -> None:
    for name in ("licence", "licence_url", "source", "author"):
        if not row.texts[name].strip():
            grave = error if name == "licence" else warning
            report(grave(f"missing-{name}".replace("_", "-"), row.where, f"no {name}. Fill it in."))
    url = row.texts["licence_url"]
    if url.strip() and not re.fullmatch(r"https?://\S+", url):
        message = f"licence_url is {shown(url)}, wanted a link (https://…)."
        report(warning("licence-url", row.where, message))


# --- pictures ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A photo as the pairwise checks need it."""

    row: Row
    look: Look

    @property
    def subject(self) -> str:
        return self.row.texts["subject_id"]

    @property
    def name(self) -> str:
        return f"{shown('/'.join(self.row.key))[1:-1]} ({self.row.split})"


def _check_pictures(row: Row, report: Report) -> _View | None:
    """Decode a row's image and mask; None if there is no image to compare."""
    mask = None
    if row.mask is not None:
        mask = _decoded_mask(row.mask, row.where, report)
    elif row.split == "train":
        message = "no mask. Methods that train on the subject alone cannot use this photo so."
        report(warning("missing-mask", row.where, message))
    if row.image is None:
        return None
    try:
        data = row.image()
        image = decode_rgb(data, row.where)
    except (UnreadableImageError, DatasetError) as broken:
        report(error("unreadable-image", row.where, str(broken).removeprefix(f"{row.where}: ")))
        return None
    _check_file(data, row.where, report)
    if min(image.size) < SMALL:
        message = f"{image.width} x {image.height} pixels; the encoders read {SMALL}. Use a larger "
        report(warning("small-image", row.where, f"{message}version."))
    if mask is not None and mask.size != image.size:
        message = f"mask of {mask.width} x {mask.height} on an image of {image.width} x "
        report(
            error("mask-size", row.where, f"{message}{image.height} (upright). Make them equal.")
        )
    return _View(row=row, look=look(image))


def _decoded_mask(stored: StoredBytes, where: str, report: Report) -> Image.Image | None:
    try:
        mask = decode_mask(stored(), where)
    except (UnreadableImageError, DatasetError) as broken:
        report(error("unreadable-mask", where, str(broken).removeprefix(f"{where}: ")))
        return None
    share = float(np.asarray(mask).mean()) / 255
    if share in (0.0, 1.0):
        code, what = ("mask-full", "everything") if share else ("mask-empty", "nothing")
        report(error(code, where, f"the mask marks {what} as the subject. Draw it anew."))
    return mask


def _check_file(data: bytes, where: str, report: Report) -> None:
    """What our own reading puts right, and other people's may not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the pixels were decoded before; this is the header
            with Image.open(io.BytesIO(data)) as opened:
                mode, exif = opened.mode, opened.getexif()
                turned, located = exif.get(ORIENTATION, 1), exif.get_ifd(GPS)
    except Exception as broken:  # Pillow's readers raise anything; the image itself is fine
        message = f"its header cannot be read ({type(broken).__name__}: {broken}). Save it anew."
        report(warning("image-mode", where, message))
        return
    if mode != "RGB" or turned not in (0, 1):
        how = f"of mode {mode}" if mode != "RGB" else "turned by EXIF"
        message = f"stored {how}; other readers may see other pixels. Store upright 8-bit RGB."
        report(warning("image-mode", where, message))
    if located:
        message = "its EXIF says where it was taken. Strip the GPS tags before publishing."
        report(warning("exif-gps", where, message))


# --- pairs of photos -----------------------------------------------------------------------------


def _check_likenesses(views: Sequence[_View], report: Report) -> None:
    """Photos that are one shot. Hashes for all pairs; alignment within a subject.

    Zoomed alignment only between train and test, where a shared shot spoils the numbers.
    """
    for one, other in itertools.combinations(views, 2):
        if one.subject != other.subject and (likeness := compare(one.look, other.look)):
            _report_likeness(one, other, likeness, report)
    for _, group in itertools.groupby(views, key=lambda view: view.subject):
        own = list(group)
        ready = [alignable(view.look) for view in own]
        for i, j in itertools.combinations(range(len(own)), 2):
            one, other = own[i], own[j]
            across = one.row.split != other.row.split
            likeness = compare(one.look, other.look)
            if likeness is None or not likeness.sure:
                likeness = align(ready[i], ready[j], zoom=across) or likeness
            if likeness is not None:
                _report_likeness(one, other, likeness, report)
            elif across and _same_source(one.row, other.row):
                message = (
                    f"both come from {shown(one.row.texts['source'])}, but do not look alike. "
                    "Look at them: drop the test photo if they are one shot, or correct the source."
                )
                report(warning("same-source", f"{one.name} and {other.name}", message))


def _report_likeness(one: _View, other: _View, likeness: Likeness, report: Report) -> None:
    where = f"{one.name} and {other.name}"
    if not likeness.sure:
        message = f"{likeness.how}. Look at them: if they are one shot, drop one."
        report(warning("look-alike", where, message))
    elif one.subject != other.subject:
        message = f"two subjects share a shot: {likeness.how}. Drop one of the photos."
        report(warning("shared-photo", where, message))
    elif one.row.split != other.row.split:
        message = f"a test photo is in the train split: {likeness.how}. Drop it from one of them."
        report(error("train-test-photo", where, message))
    else:
        message = f"one shot twice: {likeness.how}. Drop one."
        report(warning("repeated-photo", where, message))


def _same_source(one: Row, other: Row) -> bool:
    return bool(one.texts["source"].strip()) and one.texts["source"] == other.texts["source"]
