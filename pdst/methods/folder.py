"""In: a folder of images that were made elsewhere. Out: a generator that hands them in.

The files lie at `<subject>/<image>/<caption>/<seed>.png` (or .webp, .jpg, .jpeg), both indices
counted from 0, or wherever a manifest says (`pdst.methods.manifest`). `write_wanted` writes the
list of what to draw; it is itself such a manifest. A `generator.json` in the folder may say who
drew them: {"name", "revision", "settings", "paper", "code"}.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from PIL import Image

from pdst.digest import Json
from pdst.errors import GeneratorError, unknown_name
from pdst.generator import CaseSampler, GeneratorInfo
from pdst.images import decode_rgb
from pdst.methods.manifest import SUFFIXES, Entry, listed, read_manifest, write_manifest
from pdst.methods.naming import IMAGE_SUFFIXES, PATTERN, Place, Scheme
from pdst.types import Benchmark, Case, Chunk, Subject

INFO_NAME = "generator.json"

log = logging.getLogger(__name__)


class Folder:
    """Hands in images that were made elsewhere.

    A missing or damaged file fails its own case, with the path in the reason. Files that name no
    case of the benchmark are an error at once: captions counted from 1 would otherwise be scored
    against their neighbours, with only the last one missing.
    """

    sees_test_split = False
    """It takes a benchmark for the ids in it, and opens no photo."""

    def __init__(
        self,
        root: str | Path,
        *,
        pattern: str | None = None,
        manifest: str | None = None,
        name: str | None = None,
        revision: str | None = None,
        benchmark: Benchmark | None = None,
    ) -> None:
        """Look through the folder, without decoding an image.

        Args:
            root: the folder.
            pattern: a naming scheme other than `PATTERN`, with the same four fields, each once;
                they may be formatted ("{seed_index:03d}"). A suffix at its end is the only one
                tried.
            manifest: a manifest's name in the folder. Without it and `pattern`, `manifest.jsonl`,
                `manifest.csv` or `manifest.parquet` is used if there, else `PATTERN`.
            name: default: `generator.json`'s, else the folder's name.
            revision: default: `generator.json`'s, else a digest over which file, of which size,
                holds which case, so that other files are another generator.
            benchmark: to check the files against.

        Raises:
            GeneratorError: if there is no such folder, nothing in it fits, a name is ambiguous,
                a manifest has bad rows, or files name no case of the benchmark.
        """
        self._root = Path(root).expanduser().resolve()
        if not self._root.is_dir():
            raise GeneratorError(f"Folder: '{root}' is no folder. Give the one with the images.")
        if pattern is not None and manifest is not None:
            raise GeneratorError("Folder: got both pattern and manifest. Leave one out.")
        self._scheme = Scheme.parse(PATTERN if pattern is None else pattern)
        self._entries: Mapping[str, Entry] | None = None
        listing = None if pattern is not None else _manifest_path(self._root, manifest)
        if listing is not None:
            self._entries = read_manifest(listing)
            files = _listed_files(self._entries.values())
        else:
            files = _fitting_files(self._root, self._scheme, benchmark)
        digest = _checked_digest(self._root, files, benchmark)
        self.info = _info(self._root, name, revision, digest)

    def personalize(self, subject: Subject) -> CaseSampler:
        """Nothing to learn: whoever made the images did."""
        return self

    def sample_cases(self, cases: Sequence[Case]) -> list[Image.Image]:
        """Decode each case's file.

        Raises:
            GeneratorError: for the first case whose file is missing, outside of the folder, or was
                drawn for another prompt.
            UnreadableImageError: if a file is damaged.
        """
        return [self._read(case) for case in cases]

    def _read(self, case: Case) -> Image.Image:
        if self._entries is None:
            tried = self._scheme.paths(case)
        else:
            tried = self._listed(case, self._entries)
        for relative in tried:
            path = self._root / relative
            if not path.resolve().is_relative_to(self._root):
                raise GeneratorError(f"{relative} leads out of {self._root}: copy the file into it")
            try:
                return decode_rgb(path.read_bytes(), relative)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise GeneratorError(
                    f"{relative} in {self._root} cannot be read: {error}"
                ) from error
        others = f" (nor {', '.join(tried[1:])})" if len(tried) > 1 else ""
        raise GeneratorError(f"no file {tried[0]}{others} in {self._root}")

    def _listed(self, case: Case, entries: Mapping[str, Entry]) -> list[str]:
        entry = entries.get(case.key)
        if entry is None:
            raise GeneratorError(f"the manifest in {self._root} has no row for {case.key}")
        # A prompt with the method's own words in the slot cannot be compared.
        if entry.prompt is not None and "{}" in entry.prompt and entry.prompt != case.prompt:
            raise GeneratorError(
                f"{entry.file} was drawn for another prompt: '{entry.prompt}', wanted "
                f"'{case.prompt}'"
            )
        return [entry.file]


def write_wanted(chunks: Iterable[Chunk], path: Path, *, pattern: str = PATTERN) -> int:
    """Write the images of a plan as a manifest, for people who draw elsewhere.

    Args:
        chunks: the plan.
        path: named .jsonl, .csv or .parquet. As `manifest.jsonl` in the images' folder it tells
            `Folder` where they are.
        pattern: names the files, as for `Folder`; .png where it has no suffix.

    Returns:
        The number of rows; the columns are key, subject_id, image_id, caption_index, seed_index,
        seed, prompt and file.

    Raises:
        GeneratorError: for another suffix, or a pattern that cannot work.
    """
    scheme = Scheme.parse(pattern)
    rows = (
        {
            "key": case.key,
            "subject_id": case.subject_id,
            "image_id": case.image_id,
            "caption_index": case.caption_index,
            "seed_index": case.seed_index,
            "seed": case.seed,
            "prompt": case.prompt,
            "file": scheme.paths(case)[0],
        }
        for chunk in chunks
        for case in chunk.cases
    )
    return write_manifest(rows, path)


def _manifest_path(root: Path, name: str | None) -> Path | None:
    if name is not None:
        if not (root / name).is_file():
            raise GeneratorError(f"Folder: no manifest '{name}' in {root}.")
        return root / name
    found = [root / f"manifest{suffix}" for suffix in SUFFIXES]
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise GeneratorError(f"Folder: {root} has {names}. Say which with manifest=NAME.")
    return found[0] if found else None


def _listed_files(entries: Iterable[Entry]) -> Iterator[tuple[str, Place]]:
    return ((entry.file, entry.place) for entry in entries)


def _fitting_files(
    root: Path, scheme: Scheme, benchmark: Benchmark | None
) -> Iterator[tuple[str, Place]]:
    """Every image file that fits the scheme, in a fixed order.

    Raises:
        GeneratorError: at the end, if none fits, or one image has two files.
    """
    known = _known_ids(benchmark)
    misfit, last = "", ""
    twice: list[str] = []
    for relative in _image_files(root):
        # "a_b_03_0_1" can be read in two ways; the benchmark's own ids come first.
        place = (scheme.place(relative, known) if known else None) or scheme.place(relative)
        if place is None:
            misfit = misfit or relative
            continue
        stem = relative.rpartition(".")[0]
        if stem == last:
            twice.append(relative)
        last = stem
        yield relative, place
    if twice:
        raise GeneratorError(
            f"{root}: {listed(twice, 'image')} there under another suffix as well. Keep one each."
        )
    if not last:
        seen = f"the images there are named like '{misfit}'" if misfit else "it holds no image"
        raise GeneratorError(
            f"{root} has no file that fits {scheme.stem}{'|'.join(scheme.suffixes)}: {seen}. "
            "Give another pattern, or a manifest."
        )


def _image_files(root: Path) -> Iterator[str]:
    """Relative paths with `/`, sorted folder by folder, so that a huge tree costs no memory."""

    def refuse(error: OSError) -> None:
        raise GeneratorError(f"{error.filename}: cannot be listed ({error.strerror}).") from error

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _known_ids(benchmark: Benchmark | None) -> tuple[str, str] | None:
    """Regular expressions for the subject and photo ids that occur."""
    if benchmark is None:
        return None
    subjects = {test.subject_id for test in benchmark.test}
    photos = {test.photo.image_id for test in benchmark.test}
    return "|".join(map(re.escape, sorted(subjects))), "|".join(map(re.escape, sorted(photos)))


def _checked_digest(
    root: Path, files: Iterable[tuple[str, Place]], benchmark: Benchmark | None
) -> str:
    """sha256 over names, cases and sizes.

    Raises:
        GeneratorError: if a file's case is not in the benchmark.
    """
    digest = hashlib.sha256()
    unknown: list[str] = []
    empty: list[str] = []
    captions = {
        (test.subject_id, test.photo.image_id): len(test.captions)
        for test in (benchmark.test if benchmark else ())
    }
    for relative, place in files:
        count = captions.get((place.subject_id, place.image_id), 0)
        if benchmark is not None and place.caption_index >= count:
            unknown.append(f"{relative} as {place.key}")
        try:
            size = (root / relative).stat().st_size
        except OSError:
            size = 0
        if size == 0:
            empty.append(relative)
        digest.update(f"{relative}\0{place.key}\0{size}\n".encode())
    if unknown and benchmark is not None:
        raise GeneratorError(
            f"{root}: {listed(unknown, 'image')} of no case in benchmark '{benchmark.name}' "
            f"{benchmark.version}, whose captions count from 0. Rename or remove them."
        )
    if empty:  # no error: each of their cases will fail, and be counted
        log.warning("%s: %s missing or empty", root, listed(empty, "file"))
    return digest.hexdigest()


def _info(root: Path, name: str | None, revision: str | None, digest: str) -> GeneratorInfo:
    """The constructor's words, else those of `generator.json`, else the folder's own."""
    path = root / INFO_NAME
    said: dict[str, Json] = {}
    if path.is_file():
        try:
            read = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise GeneratorError(f"{path}: cannot be read as JSON ({error}). Mend it.") from error
        if not isinstance(read, dict):
            raise GeneratorError(f"{path} holds a {type(read).__name__}, wanted a JSON object.")
        said = read
    wanted = ("name", "revision", "settings", "paper", "code")
    for key in said:
        if key not in wanted:
            raise GeneratorError(f"{path}: {unknown_name('field', key, wanted)}")
    try:
        return GeneratorInfo(
            name=name or cast("str", said.get("name")) or root.name,
            revision=revision or cast("str", said.get("revision")) or f"files-{digest[:16]}",
            settings=cast("dict[str, Json]", said.get("settings", {})),
            paper=cast("str", said.get("paper", "")),
            code=cast("str", said.get("code", "")),
        )
    except GeneratorError as error:
        raise GeneratorError(f"{path if said else root}: {error}") from error
