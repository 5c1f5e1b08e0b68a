"""In: what the words of a + method drew. Out: Fig. 9, and the similarities as a plot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pdst.experiments.attractor import ATTRACTOR, SUBJECT, WORDS, Drawing
from pdst.experiments.backgrounds import background_alone
from pdst.experiments.figures import colour, draw_bars, new_figure, style
from pdst.experiments.likeness import METRIC_OF
from pdst.experiments.tables import over_subjects
from pdst.experiments.tiles import Tile, TileRow, drawn_tile, tiles_figure
from pdst.metrics import METRICS
from pdst.types import Benchmark, Drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS, MOST_IMAGES = 12, 5
HEADS = {ATTRACTOR: "attractor", SUBJECT: "subject's word"}


def attractor_pictures(
    drawings: Sequence[Drawing], benchmark: Benchmark, subjects: Sequence[str]
) -> "Figure":
    """A row a subject: a training photo, its background alone, and what both words drew.

    Of the first training seed; the first subjects, the first images, whatever they show.
    """
    first = {word: next(one.run for one in drawings if one.word == word) for word in WORDS}
    rows = []
    for number, subject_id in enumerate(subjects[:MOST_ROWS]):
        subject = benchmark.subject(subject_id)
        photo = subject.train[0]
        mask = photo.mask()
        image = photo.image()
        alone = None if mask is None else background_alone(image, mask)
        head = number == 0
        tiles = [
            Tile(image=image, head="training photo" if head else ""),
            Tile(image=alone, head="background alone" if head else ""),
        ]
        for word in WORDS:
            drawn: list[Drawn] = []
            scores = first[word].scores(["subject_id", "image_id"])
            of_subject = scores.loc[scores["subject_id"] == subject_id, "image_id"]
            for image_id in of_subject.drop_duplicates():
                drawn += first[word].images(subject_id, image_id)
            shown = drawn[: MOST_IMAGES if word == ATTRACTOR else 2]
            tiles += [
                drawn_tile(one, head=HEADS[word] if head and place == 0 else "")
                for place, one in enumerate(shown)
            ]
        rows.append(TileRow(text=f"{subject_id} ({subject.class_noun})", tiles=tuple(tiles)))
    return tiles_figure(rows)


def attractor_figure(data: pd.DataFrame) -> "Figure":
    """Mean cosine of each word's pictures with backgrounds and with the subject alone."""
    lines = [(word, against) for word in WORDS for against in ("background", "subject")]
    names = [
        f"{HEADS[word]} – {'backgrounds' if against == 'background' else 'subject alone'}"
        for word, against in lines
    ]
    with style():
        figure = new_figure(8, 2.4)
        grid = figure.subplots(1, len(METRIC_OF), sharey=True)
        for number, (metric, axes) in enumerate(zip(METRIC_OF.values(), grid, strict=True)):
            found = [
                over_subjects(data[data["word"] == word], f"{metric}_{against}")
                for word, against in lines
            ]
            draw_bars(axes, names, found, colour=colour(number))
            axes.set_title(METRICS[metric].title)
    return figure
