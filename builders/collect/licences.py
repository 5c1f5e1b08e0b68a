"""In: a licence as people and sites write it. Out: the id that PDST uses, its page, its terms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence that a release may hold photos of.

    Attributes:
        url: its page.
        permission: why a photo under it needs a `permission_ref`; "" if it needs none.
    """

    url: str
    permission: str = ""


_CC = "https://creativecommons.org"
_SITE_TERMS = (
    "the site's terms exclude collecting photos for data sets, so somebody must have agreed"
)

ALLOWED: Mapping[str, Licence] = {
    "CC0-1.0": Licence(url=f"{_CC}/publicdomain/zero/1.0/"),
    "PDM-1.0": Licence(url=f"{_CC}/publicdomain/mark/1.0/"),
    **{
        f"CC-{name.upper()}-{version}": Licence(url=f"{_CC}/licenses/{name}/{version}/")
        for name in ("by", "by-sa")
        for version in ("2.0", "2.5", "3.0", "4.0")
    },
    "Unsplash License": Licence(url="https://unsplash.com/license", permission=_SITE_TERMS),
    "Pexels License": Licence(url="https://www.pexels.com/license/", permission=_SITE_TERMS),
}
"""Every one lets photos be copied and changed. Not here: NC and ND licences, because a release is
used by companies and its photos are resized."""

_CREATIVE_COMMONS = re.compile(r"(?:cc[ -]?)?(by(?:[ -](?:nc|nd|sa))*)[ -]?(\d\.\d)", re.IGNORECASE)


def licence_id(name: str, version: str = "") -> str:
    """The id of a licence: "by-sa", "2.0" and "CC BY-SA 2.0" are both "CC-BY-SA-2.0".

    An unknown one comes back as it is.
    """
    said = " ".join(f"{name} {version}".split())
    folded = said.casefold().replace("_", "-")
    if folded.startswith(("cc0", "cc-0", "cc 0")):
        return "CC0-1.0"
    if folded.startswith(("pdm", "public domain")):
        return "PDM-1.0"
    if match := _CREATIVE_COMMONS.fullmatch(folded):
        return f"CC-{match[1].upper().replace(' ', '-')}-{match[2]}"
    return next((known for known in ALLOWED if known.casefold() == folded), said)
