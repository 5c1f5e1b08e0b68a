"""In: a configuration file beside weights. Out: its values, checked. No torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from pdst.digest import Json
from pdst.errors import EncoderError

Table: TypeAlias = dict[str, Json]
Three: TypeAlias = tuple[float, float, float]


def read_table(path: Path) -> Table:
    """A JSON file that holds an object.

    Raises:
        EncoderError: if it does not.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} is no JSON ({error}). Save it with the model anew.") from error
    return as_table(content, str(path))


def as_table(value: Json, what: str) -> Table:
    """A value that has to be an object; a missing one is empty.

    Raises:
        EncoderError: if it is anything else.
    """
    if not isinstance(value, dict | None):
        raise EncoderError(f"{what}: wanted an object, got {value!r}. Correct the file.")
    return value or {}


def demand(table: Mapping[str, Json], wanted: Mapping[str, Json], what: str) -> None:
    """Every key that is there has the one value that PDST can do.

    Raises:
        EncoderError: naming the first that has not.
    """
    for key, value in wanted.items():
        if table.get(key) is not None and table[key] != value:
            raise EncoderError(
                f"{what}: {key} is {table[key]!r}, wanted {value!r}. PDST's encoders resize the "
                "shorter side with the bicubic filter and crop the middle square; a model that "
                "was trained otherwise needs an encoder of its own."
            )


def three(value: Json, default: Three, what: str) -> Three:
    """Mean or standard deviation of the three colours.

    Raises:
        EncoderError: if it is not three numbers.
    """
    match value:
        case None:
            return default
        case [int() | float() as red, int() | float() as green, int() | float() as blue]:
            return (float(red), float(green), float(blue))
        case _:
            raise EncoderError(f"{what}: mean and std want three numbers, got {value!r}.")


def square(value: Json, what: str) -> int:
    """One positive number, or two equal ones.

    Raises:
        EncoderError: if it is anything else.
    """
    match value:
        case int() as side if side > 0:
            return side
        case [int() as height, int() as width] if height == width > 0:
            return height
        case _:
            raise EncoderError(f"{what}: the image size is {value!r}, wanted one number: a square.")
