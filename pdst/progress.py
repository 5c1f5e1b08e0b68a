"""In: how far a stage of a run is. Out: whatever the listener makes of it."""

from typing import Protocol


class Progress(Protocol):
    """Told how far a stage is; the command line draws bars from it."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` images of a stage ("draw", "embed", …) are complete."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that tells nobody."""
