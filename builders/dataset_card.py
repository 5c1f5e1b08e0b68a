"""In: the text of DATASET_CARD.md. Out: the same, its tables computed from the data.

A table stands between two comments, `<!-- subjects -->` and `<!-- end -->`. No photo is needed:
what is counted is in our own files, and the photos' hashes are listed.
"""

import re

from builders import card
from builders.sources import dreambooth30
from pdst.errors import PdstError

_SLOT = re.compile(r"<!-- (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


def fill_tables(text: str) -> str:
    """Put the computed tables into the card.

    Raises:
        PdstError: if the card asks for a table that is not known, or has no place for one.
    """
    rows = dreambooth30.without_photos()
    tables = {
        "counts": card.counts_table(rows),
        "fingerprint": f"`{dreambooth30.published_fingerprint()}`",
        "subjects": card.subjects_table(rows),
        "captions": card.captions_table(rows),
        "left-out": card.dropped_table(dreambooth30.dropped()),
        "licences": card.licences_table(rows),
    }
    asked = [match["name"] for match in _SLOT.finditer(text)]
    if sorted(asked) != sorted(tables):
        raise PdstError(
            f"DATASET_CARD.md has places for {', '.join(asked) or 'nothing'}, wanted each of "
            f"{', '.join(tables)} once, as a line '<!-- NAME -->' and a line '<!-- end -->'."
        )
    return _SLOT.sub(
        lambda match: f"<!-- {match['name']} -->\n{tables[match['name']]}\n<!-- end -->", text
    )
