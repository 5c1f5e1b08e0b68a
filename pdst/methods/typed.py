"""In: a setting's value and its declared type. Out: nothing, or an error that says what was wanted.

`--model-arg flip=False` is the text "False", and a text is true: without a look at types it would
turn on what it was to turn off.
"""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pdst.errors import SettingsError

_SAID = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def require_type(kind: type[Any], name: str, value: object) -> None:
    """Refuse a value of another type than a dataclass declares for its field.

    Args:
        kind: the dataclass.
        name: of the field.
        value: lists as tuples.

    Raises:
        SettingsError: that says what was wanted.
    """
    declared = get_type_hints(kind)[name]
    try:
        TypeAdapter(declared).validate_python(value, strict=True)
    except ValidationError as error:
        raise SettingsError(f"{name} is {value!r}, wanted {_said(declared)}.") from error


def _said(declared: Any) -> str:
    """A type in words.

    >>> _said(float | None), _said(Literal["all", "random1"]), _said(tuple[float, float])
    ('a number or none', "'all' or 'random1'", 'a list of 2: a number, a number')
    """
    parts = get_args(declared)
    match get_origin(declared):
        case None:
            return "none" if declared is type(None) else _SAID.get(declared, str(declared))
        case origin if origin is Literal:
            return " or ".join(map(repr, parts))
        case origin if origin is Union or origin is types.UnionType:
            return " or ".join(map(_said, parts))
        case origin if origin is tuple and Ellipsis not in parts:
            return f"a list of {len(parts)}: {', '.join(map(_said, parts))}"
        case _:
            return f"a list of {_said(parts[0])} each"
