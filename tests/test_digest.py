"""Claims about identities: one text for one value, and what is no plain JSON."""

import doctest
import hashlib
import json
import math
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdst import errors
from pdst.digest import Json, canonical_json, digest_bytes, digest_json, not_plain
from pdst.errors import PdstError, unknown_name

# --- one text for one value ----------------------------------------------------------------------


def test_the_canonical_text_is_sorted_tight_and_unicode() -> None:
    value: Json = {"b": [1, 2.5, None, True], "a": {"é": "Ü", "A": '"'}}
    assert canonical_json(value) == '{"a":{"A":"\\"","é":"Ü"},"b":[1,2.5,null,true]}'


def test_a_digest_is_the_texts_sha256() -> None:
    # printf '{"a":"\303\251"}' | sha256sum
    known = "b3a092a6af48807fa9482b2ee140105575daa26d5b24b3c0e60a7e2dee6683b1"
    assert digest_json({"a": "é"}) == known
    assert digest_bytes('{"a":"é"}'.encode()) == known
    assert digest_bytes(memoryview(b"xx")[:0]) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_write_has_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_json({"guidance": [value]})


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(plain)
def test_plain_json_comes_back_as_it_was_with_its_digest(value: Json) -> None:
    assert not_plain(value, "value") is None
    back = json.loads(canonical_json(value))
    assert back == value
    assert digest_json(back) == digest_json(value)


# --- what is no plain JSON -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"size": (512, 512)}, "settings['size'] is a tuple: (512, 512)"),
        ({"a": [0, {"b": {1}}]}, "settings['a'][1]['b'] is a set: {1}"),
        ({"scale": math.nan}, "settings['scale'] is nan"),
        ({"scale": [1.0, -math.inf]}, "settings['scale'][1] is -inf"),
        ({"a": {7: 1}}, "settings['a'] has a key that is a int: 7"),
        ({"n": np.int64(3)}, "settings['n'] is a int64: np.int64(3)"),
        ({"w": b"x"}, "settings['w'] is a bytes: b'x'"),
        ({"path": "photo\udce9.png"}, r"settings['path'] is no Unicode text: 'photo\udce9.png'"),
        ({"\ud800": 1}, r"settings has a key that is no Unicode text: '\ud800'"),
    ],
)
def test_the_first_offender_is_named(value: object, problem: str) -> None:
    assert not_plain(value, "settings") == problem


def test_a_long_offender_is_shortened() -> None:
    problem = not_plain({"all": set(range(1000))}, "settings")
    assert problem is not None
    assert len(problem) < 100


def test_subclasses_that_are_written_as_their_base_are_plain() -> None:
    class Size(IntEnum):
        SMALL = 256

    value = {"size": Size.SMALL, "scale": np.float64(7.5)}
    assert not_plain(value, "settings") is None
    assert json.loads(canonical_json({**value})) == {"size": 256, "scale": 7.5}


# --- messages ------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert doctest.testmod(errors).failed == 0
    assert unknown_name("protocol", "zzz", ["paper", "quick"]) == (
        "No protocol named 'zzz'. Known: paper, quick."
    )
    assert unknown_name("release", "a", []) == "No release named 'a'. Known: none."


def test_every_error_of_ours_can_be_caught_as_one() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if kind.__name__.endswith("Error")]
    assert len(ours) >= 7
    assert all(issubclass(kind, PdstError) for kind in ours)
