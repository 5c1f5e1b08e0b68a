"""In: a workspace folder. Out: where its things lie, its settings, what each stage has written.

    WORKSPACE/
      workspace.yaml      the maker's settings
      decisions.csv       what the maker decided by hand: photos dropped, look-alikes cleared
      stored/photos/      photos as they are released, each under the hash of its original
      stored/masks/       masks, each under its own hash
      stored/segmented/, stored/probes/   what took long to compute, under what it was computed of
      reviews/KIND/WHO.jsonl   people's answers, a line each
      stages/STAGE.parquet     a stage's rows; in the file's metadata: what they were made of
      packed/             what `pack` writes
      release/            what `card` writes; recipe/, if the photos may not be given away

Every file is written to another name and renamed, and what a stage writes depends on nothing but
its inputs: a build that was killed anywhere goes on to the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from builders.pipeline.settings import Settings, WorkspaceError, read_settings
from pdst.digest import Json, canonical_json, digest_bytes, digest_json
from pdst.errors import StoreError
from pdst.files import PARTIAL, read_table, whole_file, write_table

_KEY = b"pdst.stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a stage's file says of how its rows came to be.

    Attributes:
        inputs: name -> value or digest of all that the rows depend on.
        rows: digest of the rows.
        notes: for people, of what was found.
        waiting: what people have yet to do before the next stage; empty if nothing.
    """

    inputs: Mapping[str, Json]
    rows: str
    notes: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage gives: its rows, what it found, and what people have yet to do."""

    table: pa.Table
    notes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One workspace.

    Attributes:
        folder: of it, absolute.
        environment: the variables that may hold API keys; what is in them is never written.
    """

    folder: Path
    settings: Settings = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def decisions(self) -> Path:
        """The maker's own decisions; need not exist."""
        return self.folder / "decisions.csv"

    @property
    def packed(self) -> Path:
        """The Parquet files, before there is a card."""
        return self.folder / "packed"

    @property
    def is_recipe(self) -> bool:
        """Whether the photos stay here and a recipe goes out."""
        return self.settings.release.photos == "recipe"

    @property
    def output(self) -> Path:
        """The finished release, or recipe."""
        return self.folder / ("recipe" if self.is_recipe else "release")

    def path(self, given: str) -> Path:
        """A path of the settings: relative ones start from the workspace."""
        return self.folder / Path(given).expanduser()

    def secret(self, variable: str, where: str) -> str:
        """The API key in an environment variable.

        Raises:
            WorkspaceError: if it is not set.
        """
        if not (key := self.environment.get(variable, "").strip()):
            raise WorkspaceError(
                f"{where}: the environment variable {variable} is not set, wanted the API key in "
                f"it. Run: export {variable}=…, then the build command once more."
            )
        return key

    def answers_file(self, kind: str, reviewer: str) -> Path:
        """Where one reviewer's answers are."""
        return self.folder / "reviews" / kind / f"{reviewer}.jsonl"

    def photo(self, file: str) -> bytes:
        """A stored photo."""
        return self._stored(self.folder / "stored" / "photos" / file)

    def mask(self, file: str) -> bytes:
        """A stored mask."""
        return self._stored(self.folder / "stored" / "masks" / file)

    def _stored(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise WorkspaceError(
                f"{path} cannot be read ({error.strerror}). Give the build command once more; "
                "it makes missing files anew."
            ) from error

    def write_stored(self, place: str, file: str, data: bytes) -> None:
        """Keep a photo ("photos") or mask ("masks"), unless it is there."""
        path = self.folder / "stored" / place / file
        if not path.is_file() or digest_bytes(path.read_bytes()) != digest_bytes(data):
            with whole_file(path) as temporary:
                temporary.write_bytes(data)

    def stage_file(self, stage: str) -> Path:
        """Where a stage's rows are."""
        return self.folder / "stages" / f"{stage}.parquet"

    def rows(self, stage: str) -> pa.Table:
        """What a stage wrote."""
        return read_table(self.stage_file(stage))

    def record(self, stage: str) -> Record | None:
        """How a stage's rows came to be; None if it has not written any that can be read."""
        path = self.stage_file(stage)
        if not path.is_file():
            return None
        try:
            table = read_table(path)
            said = json.loads(table.schema.metadata[_KEY])
        except (StoreError, KeyError, TypeError, ValueError):
            return None  # not ours, or damaged: the stage is done anew
        if digest_rows(table) != said["rows"]:
            return None
        return Record(
            inputs=said["inputs"],
            rows=said["rows"],
            notes=tuple(said["notes"]),
            waiting=tuple(said["waiting"]),
        )

    def write(self, stage: str, inputs: Mapping[str, Json], outcome: Outcome) -> None:
        """Keep what a stage gave."""
        said: dict[str, Json] = {
            "inputs": dict(inputs),
            "rows": digest_rows(outcome.table),
            "notes": list(outcome.notes),
            "waiting": list(outcome.waiting),
        }
        metadata = {**(outcome.table.schema.metadata or {}), _KEY: canonical_json(said).encode()}
        write_table(outcome.table.replace_schema_metadata(metadata), self.stage_file(stage))

    def clean(self) -> None:
        """Remove the temporary files of a build that was killed."""
        for place in ("stages", "stored/*"):
            for path in self.folder.glob(f"{place}/.*{PARTIAL}"):
                path.unlink(missing_ok=True)


def open_workspace(folder: Path, environment: Mapping[str, str] | None = None) -> Workspace:
    """Open a workspace.

    Args:
        folder: of it.
        environment: where the settings' endpoints find their API keys; None: nowhere.

    Raises:
        WorkspaceError: if it is none, or its settings are wrong.
    """
    folder = folder.expanduser().resolve()
    return Workspace(folder=folder, settings=read_settings(folder), environment=environment or {})


def digest_rows(table: pa.Table) -> str:
    """sha256 of a table's values."""
    return digest_json(table.to_pylist())


def digest_files(paths: Sequence[Path], root: Path) -> dict[str, Json]:
    """Path under `root` (or as it is) -> sha256, for files that a stage reads; missing ones too."""
    digests: dict[str, Json] = {}
    for path in sorted(paths):
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        digests[name] = digest_bytes(path.read_bytes()) if path.is_file() else None
    return digests
