"""In: the dataset authors' own list of sources, as they wrote it. Out: a credit for every photo.

The list is meant for people. Its sections and what they can hold:

    cat:                                         a subject of Unsplash photos:
    (credit: https://unsplash.com/@alvannee)       one photographer,
    00: https://unsplash.com/photos/LaXCd-05C6A    a page a photo,
    03: Same as 03, but shifted                    or the photo that it was made from,
    05: removed - author: https://unsplash.com/…   or a page that is gone
    candle: Photos taken by Nataniel Ruiz        a subject that one person took or drew
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pdst.errors import DatasetError

CC_BY = ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
UNSPLASH = ("Unsplash License", "https://unsplash.com/license")

_SECTION = re.compile(r"(?P<subject>[a-z][a-z0-9_]*):\s*(?P<maker>.*)")
_PHOTO = re.compile(r"(?P<image>\d\d):\s*(?P<text>.+)")
_CREDIT = re.compile(r"\(credit: https://unsplash\.com/@(?P<handle>\w+)\)")
_MAKER = re.compile(
    r"(?:Photos|Art)(?: taken)? by (?P<name>[^()]+?)(?: \(credit: (?P<page>\S+)\).*)?"
)
_GONE = re.compile(r"removed - author: (?P<url>\S+)")
_DERIVED = re.compile(r"(?P<flipped>\d\d) flipped|Same as (?P<shifted>\d\d), but shifted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Who made a photo, where it is from, and what one may do with it."""

    source: str
    author: str
    licence: str
    licence_url: str


@dataclass(slots=True)
class SubjectCredits:
    """One subject's part of the list.

    Attributes:
        author: of all its photos. licence: name and URL.
        author_page: named where a photo has no page of its own; "" if there is none.
        pages: image id -> the photo's page.
        derived: image id -> the photo that it was made from.
    """

    author: str
    licence: tuple[str, str] = CC_BY
    author_page: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)

    def of(self, image_id: str, fallback: str) -> Credit:
        """The credit of one photo.

        Args:
            image_id: "03".
            fallback: the source to name where the list gives none: the page in the repository.
        """
        origin = self.derived.get(image_id, image_id)
        licence, licence_url = self.licence
        return Credit(
            source=self.pages.get(origin) or self.author_page or fallback,
            author=self.author,
            licence=licence,
            licence_url=licence_url,
        )


def parse_credits(text: str) -> Mapping[str, SubjectCredits]:
    """Read the whole list.

    Args:
        text: of references_and_licenses.txt.

    Returns:
        Subject id -> its credits.

    Raises:
        DatasetError: for a line that is none of the known kinds; it names the line.
    """
    subjects: dict[str, SubjectCredits] = {}
    current: SubjectCredits | None = None
    for number, line in _listed(text):
        if photo := _PHOTO.fullmatch(line):
            if current is None or not _add_photo(current, photo["image"], photo["text"]):
                raise _unknown(number, line)
        elif (credit := _CREDIT.fullmatch(line)) and current is not None:
            current.author = f"@{credit['handle']} on Unsplash"
            current.author_page = f"https://unsplash.com/@{credit['handle']}"
            current.licence = UNSPLASH
        elif section := _SECTION.fullmatch(line):
            maker = _MAKER.fullmatch(section["maker"])
            if section["maker"] and maker is None:
                raise _unknown(number, line)
            author = (
                " ".join(part for part in (maker["name"], maker["page"]) if part) if maker else ""
            )
            current = SubjectCredits(author=author)
            subjects[section["subject"]] = current
        else:
            raise _unknown(number, line)
    return subjects


def _listed(text: str) -> Iterator[tuple[int, str]]:
    """The lines between the introduction and the licence texts, numbered from 1."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped == "Licenses":
            return
        inside = inside or stripped.startswith("backpack:")
        if inside and stripped:
            yield number, stripped


def _add_photo(subject: SubjectCredits, image_id: str, text: str) -> bool:
    """Note one photo's line; False if it is of no known kind."""
    if gone := _GONE.fullmatch(text):
        subject.pages[image_id] = f"{gone['url']} (the photo's own page is gone)"
    elif derived := _DERIVED.fullmatch(text):
        subject.derived[image_id] = derived["flipped"] or derived["shifted"]
    elif text.startswith("https://"):
        subject.pages[image_id] = text
    else:
        return False
    return True


def _unknown(number: int, line: str) -> DatasetError:
    return DatasetError(
        f"references_and_licenses.txt line {number}: cannot read {line!r}. "
        "Restore the file, or teach builders/sources/dreambooth30/attribution.py this form."
    )
