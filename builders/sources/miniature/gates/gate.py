"""One wanted number beside the measured one and its control."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A measure with a wanted value. A missed gate stays in the report as missed.

    Attributes:
        name: what is measured, with its unit.
        value: as measured on held-out identities and scenes.
        wanted: the bound.
        at_least: whether larger is better.
        control: the same measure of a network that learned nothing, or of a simple rule.
        note: what the control is, or anything a reader has to know.
    """

    name: str
    value: float
    wanted: float
    at_least: bool = True
    control: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of the bound."""
        return self.value >= self.wanted if self.at_least else self.value <= self.wanted

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return {**asdict(self), "met": self.met}
