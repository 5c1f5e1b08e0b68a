"""In: words to search for. Out: photos of Wikimedia Commons with their credits, page by page."""

import html
import re
from collections.abc import Iterator
from typing import Any

from builders.collect.found import Found
from builders.collect.http import Client, UnansweredError
from builders.collect.licences import licence_id

URL = "https://commons.wikimedia.org/w/api.php"

PAGE_SIZE = 50
"""What the service allows a question."""

PACE_S = 1.0

IMAGES = frozenset({"image/jpeg", "image/png", "image/tiff", "image/webp"})


def search_commons(words: str, client: Client, *, most: int, url: str = URL) -> Iterator[Found]:
    """Search for photos, in the service's order.

    Args:
        words: to search for.
        client: asks.
        most: photos at most.
        url: of the service.

    Raises:
        UnansweredError: if the service does not answer, or with an error.
    """
    given = 0
    further: dict[str, str | int] = {}
    while True:
        said = client.get_json(
            url,
            {
                "action": "query",
                "format": "json",
                "formatversion": 2,
                "generator": "search",
                "gsrsearch": words,
                "gsrnamespace": 6,
                "gsrlimit": PAGE_SIZE,
                "prop": "imageinfo",
                "iiprop": "url|size|user|mime|extmetadata",
                **further,
            },
        )
        if "error" in said:  # with HTTP 200, says the documentation
            error = said["error"]
            raise UnansweredError(
                f"{url}: {error.get('code')}: {error.get('info')}. What was found is kept: run the "
                "same command again later."
            )
        pages = said.get("query", {}).get("pages", ())
        for page in sorted(pages, key=lambda page: int(page.get("index", 0))):
            for info in page.get("imageinfo", ())[:1]:
                if info.get("mime") not in IMAGES:
                    continue
                if given == most:
                    return
                given += 1
                yield _found(page, info)
        if "continue" not in said:
            return
        further = said["continue"]


def _found(page: dict[str, Any], info: dict[str, Any]) -> Found:
    known = info.get("extmetadata", {})

    def text(name: str) -> str:
        return _plain(str(known.get(name, {}).get("value", "")))

    title = str(page.get("title", "")).removeprefix("File:")
    author = text("Artist") or str(info.get("user", ""))
    licence, url = licence_id(text("LicenseShortName")), text("LicenseUrl")
    line = f'"{title}" by {author or "unknown"}, {licence}{f" ({url})" * bool(url)}'
    return Found(
        url=info["url"],
        page=info.get("descriptionurl") or info["url"],
        title=title,
        author=author,
        licence=licence,
        licence_url=url,
        attribution=f"{line}, via Wikimedia Commons",
    )


def _plain(marked: str) -> str:
    """Text without HTML tags: the service's metadata is written for its pages."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", marked)).split())
