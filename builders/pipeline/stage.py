"""In: a stage and a workspace. Out: whether the stage is due, and its rows once it is done."""

from collections.abc import Callable, Mapping
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
        inputs: all else that its rows depend on: settings, files, people's answers. Plain JSON.
        run: does it.
        holds: whether what it wrote beside its rows is still there; of most there is nothing.
        version: goes up with a change that gives other rows from the same inputs.
    """

    name: str
    reads: tuple[str, ...]
    inputs: Callable[[Workspace], Mapping[str, Json]]
    run: Callable[[Workspace], Outcome]
    holds: Callable[[Workspace], bool] = lambda workspace: True
    version: int = 1

    def state(self, workspace: Workspace) -> State:
        """Whether it is done, done as far as people let it, or to be done."""
        record = workspace.record(self.name)
        if record is None or not self.holds(workspace):
            return "due"
        if _digests(record.inputs) != _digests(self.depends_on(workspace)):
            return "due"
        return "waiting" if record.waiting else "done"

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


def _digests(inputs: Mapping[str, Json]) -> Mapping[str, str]:
    return {name: digest_json(value) for name, value in inputs.items()}
