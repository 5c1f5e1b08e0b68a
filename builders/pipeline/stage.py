"""In: a stage and a workspace. Out: whether the stage is due, and its rows once it is done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from builders.pipeline.workspace import Outcome, Record, Workspace
from pdst.digest import Json, digest_json

State = Literal["done", "waiting", "due"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step from rows to rows.

    Attributes:
        name: of it and of its file.
        reads: the stages whose rows it takes.
        inputs: all else that its rows depend on: settings, files, people's answers, versions of
            the libraries that decide (`pipeline.versions`). Plain JSON.
        run: does it.
        holds: whether what it wrote beside its rows is still there; of most there is nothing.
        forget: removes what it keeps beside its rows to spare work, so that it is done from the
            beginning; most keep nothing.
        version: goes up with a change that gives other rows from the same inputs.
    """

    name: str
    reads: tuple[str, ...]
    inputs: Callable[[Workspace], Mapping[str, Json]]
    run: Callable[[Workspace], Outcome]
    holds: Callable[[Workspace], bool] = lambda workspace: True
    forget: Callable[[Workspace], None] = lambda workspace: None
    version: int = 1

    def state(self, workspace: Workspace) -> State:
        """Whether it is done, done as far as people let it, or to be done."""
        if self.why_due(workspace):
            return "due"
        record = workspace.record(self.name)
        return "waiting" if record is not None and record.waiting else "done"

    def why_due(self, workspace: Workspace) -> tuple[str, ...]:
        """What has changed since it was done, in words; nothing if it is not due."""
        record = workspace.record(self.name)
        if record is None:
            return ("due: it has not been done yet",)
        if not self.holds(workspace):
            return ("due: files that it wrote are gone or changed",)
        now = self.depends_on(workspace)
        return tuple(
            f"due: {told}"
            for name in sorted({*record.inputs, *now})
            for told in _changes(record.inputs.get(name), now.get(name), _NAMES.get(name, name))
        )

    def depends_on(self, workspace: Workspace) -> dict[str, Json]:
        """Everything that its rows depend on, by name."""
        rows: dict[str, Json] = {}
        for name in self.reads:
            record = workspace.record(name)
            rows[name] = None if record is None else record.rows
        return {"version": self.version, "rows": rows, **self.inputs(workspace)}

    def do(self, workspace: Workspace) -> Record:
        """Do it and keep its rows.

        Raises:
            PdstError: for what the maker has to mend first; no row is written then.
        """
        inputs = self.depends_on(workspace)
        workspace.write(self.name, inputs, self.run(workspace))
        record = workspace.record(self.name)
        assert record is not None, "what was just written can be read"
        return record


_NAMES = {"rows": "rows of", "files": "file", "versions": "version of", "answers": "answers in"}


def _changes(before: Json, now: Json, name: str) -> Iterator[str]:
    """In words, what of an input is another than it was: entry by entry, where it has some."""
    if digest_json(before) == digest_json(now):
        return
    if isinstance(before, dict) and isinstance(now, dict):
        told = [
            one
            for key in sorted({*before, *now})
            for one in _changes(before.get(key), now.get(key), f"{name} {key}")
        ]
        yield from told or [f"{name} changed"]  # a key came or went whose value is None
    elif isinstance(before, str | int | None) and isinstance(now, str | int | None):
        yield f"{name}: {_short(before)}, now {_short(now)}"
    else:
        yield f"{name} changed"


def _short(value: str | int | None) -> str:
    """A value for a terminal: of a digest, its beginning."""
    return "nothing" if value in (None, "") else str(value)[:24]
