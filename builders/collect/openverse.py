"""In: words to search for. Out: openly licensed photos that Openverse knows, page by page."""

from collections.abc import Iterator
from typing import Any

from builders.collect.found import Found
from builders.collect.http import Client
from builders.collect.licences import ALLOWED, licence_id

URL = "https://api.openverse.org/v1/images/"

PAGE_SIZE = 20
"""What is allowed without an account, as are 20 questions a minute."""

LAST_PAGE = 20
"""Further ones are refused, however many there are said to be."""

PACE_S = 3.0

LICENCES = "cc0,pdm,by,by-sa"


def search_openverse(words: str, client: Client, *, most: int, url: str = URL) -> Iterator[Found]:
    """Search for photos, the best match first; the service shows 400 at most.

    Args:
        words: to search for.
        client: asks.
        most: photos at most.
        url: of the service.

    Raises:
        UnansweredError: if the service does not answer.
    """
    given = 0
    page = 1
    while given < most:
        said = client.get_json(
            url,
            {"q": words, "license": LICENCES, "page": page, "page_size": PAGE_SIZE},
        )
        for result in said.get("results", ()):
            if given < most:
                given += 1
                yield _found(result)
        if page >= min(int(said.get("page_count", 0)), LAST_PAGE):
            return
        page += 1


def _found(result: dict[str, Any]) -> Found:
    licence = licence_id(str(result.get("license", "")), str(result.get("license_version") or ""))
    known = ALLOWED.get(licence)
    author, title = result.get("creator") or "", result.get("title") or "untitled"
    url = result.get("license_url") or (known.url if known else "")
    page = result.get("foreign_landing_url") or result["url"]
    line = f'"{title}" by {author or "unknown"}, {licence} ({url}), {page}'
    return Found(
        url=result["url"],
        page=page,
        title=title,
        author=author,
        licence=licence,
        licence_url=url,
        attribution=result.get("attribution") or line,
    )
