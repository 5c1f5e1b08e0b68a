"""In: how far a stage of a run is. Out: whatever the listener makes of it."""

from typing import Protocol


class Progress(Protocol):
    """Told how far a stage is; the command line draws bars from it."""

    def __call__(self, stage: str, done: float, total: int) -> None:
        """`done` of `total` of a stage: of images ("draw", "embed", …), of subjects ("learn")."""
        ...


def silent(stage: str, done: float, total: int) -> None:
    """A Progress that tells nobody."""
