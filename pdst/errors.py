"""In: what went wrong. Out: exceptions whose messages say thing, got, wanted, next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class PdstError(Exception):
    """A mistake that the caller can mend: the message names the thing and the next step."""


class DatasetError(PdstError):
    """A release folder, or a row of it, breaks the release format."""


class GeneratorError(PdstError):
    """A generator cannot be found, built, or does not fit the protocol."""


class EncoderError(PdstError):
    """An encoder's weights cannot be found or do not fit its architecture."""


class BackboneError(PdstError):
    """A base model's files cannot be found, or are not those of a Stable Diffusion."""


class SettingsError(PdstError):
    """A setting has a value that cannot work, or differs from the run's own."""


class StoreError(PdstError):
    """A run folder is missing, damaged, or belongs to something else."""


class ComparisonError(PdstError):
    """Two runs may not be compared: their numbers do not mean the same thing."""


class SubmissionError(PdstError):
    """A submission cannot be made, read or sent."""


def unknown_name(what: str, got: str, known: Iterable[str]) -> str:
    """The message for a name that is not in a table, with the nearest one offered.

    >>> unknown_name("metric", "clipt", ["clip_i", "clip_t", "dino"])
    "No metric named 'clipt'. Did you mean 'clip_t'? Known: clip_i, clip_t, dino."
    """
    names = sorted(known)
    near = get_close_matches(got, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"No {what} named '{got}'.{hint} Known: {', '.join(names) or 'none'}."
