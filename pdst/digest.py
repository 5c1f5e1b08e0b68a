"""In: plain JSON values or bytes. Out: one canonical text and its sha256, PDST's identities."""

import hashlib
import json
import math
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical_json(value: Json) -> str:
    """The one text that a JSON value has here: sorted keys, no blanks, UTF-8, no NaN.

    Raises:
        ValueError: if a number is NaN or infinite.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_json(value: Json) -> str:
    """sha256 (64 hexadecimal digits) of a value's canonical JSON."""
    return digest_bytes(canonical_json(value).encode())


def digest_bytes(data: bytes | memoryview) -> str:
    """sha256 (64 hexadecimal digits) of some bytes."""
    return hashlib.sha256(data).hexdigest()


def not_plain(value: object, name: str) -> str | None:
    """What keeps a value from being plain JSON: it could not be written, or come back as another.

    Args:
        value: anything. Plain are None, bool, int, finite float, str (of whole characters: a file
            name that is no UTF-8 is not), lists of them, and dicts of them with str keys. A tuple
            is not: it would come back as a list.
        name: what to call the value in the answer.

    Returns:
        None for plain JSON; else the first offender: "settings['size'] is a tuple: (512, 512)".
    """
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, str):
        return None if _is_unicode(value) else f"{name} is no Unicode text: {value!r:.60}"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{name} is {value}"
    if isinstance(value, list):
        parts = [(item, f"{name}[{index}]") for index, item in enumerate(value)]
    elif isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return f"{name} has a key that is a {type(key).__name__}: {key!r:.60}"
            if not _is_unicode(key):
                return f"{name} has a key that is no Unicode text: {key!r:.60}"
        parts = [(item, f"{name}[{key!r}]") for key, item in value.items()]
    else:
        return f"{name} is a {type(value).__name__}: {value!r:.60}"
    return next((found for item, part in parts if (found := not_plain(item, part))), None)


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, which UTF-8 cannot hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
