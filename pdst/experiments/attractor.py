"""In: a + method. Out: what its attractor word draws: the training photos' backgrounds, or not.

Fig. 9 of the paper shows pictures of "A photo of <A*>." and says that they have the character of
the backgrounds without reproducing them. Here that is a number: their similarity to the
backgrounds alone (the subject painted over) beside that to the subject alone, and the same of what
the subject's own word draws from the same noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import pandas as pd
from PIL import Image

from pdst.digest import Json
from pdst.embed import photo_name
from pdst.errors import SettingsError
from pdst.evaluate import Settings
from pdst.experiments.agreement import Apart
from pdst.experiments.backgrounds import PROMPT, background_benchmark
from pdst.experiments.findings import (
    Claim,
    is_above,
    plural,
    sentences,
    setting_sentence,
    verdict,
)
from pdst.experiments.likeness import FAMILIES, METRIC_OF, cosines, image_vectors, photo_vectors
from pdst.experiments.results import Results
from pdst.experiments.study import Study
from pdst.experiments.tables import apart_over_subjects, estimate_text, over_subjects
from pdst.generator import CaseSampler, Generator, GeneratorInfo, Learner, Sampler
from pdst.keys import distinct_names
from pdst.loading import LoadedGenerator, as_loaded
from pdst.metrics import METRICS
from pdst.report.rows import percent
from pdst.run import Run
from pdst.types import SLOT, Benchmark, Protocol, Subject

ATTRACTOR, SUBJECT = "attractor", "subject"
WORDS = (ATTRACTOR, SUBJECT)
"""Whose pictures are drawn: the attractor's, and as a control the subject's own word's."""

Make = Callable[[int], Generator | LoadedGenerator]
"""From a training seed to a + method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One word's pictures.

    Attributes:
        word: of `WORDS`.
        run: on the benchmark of backgrounds.
    """

    word: str
    seed: int
    run: Run


def attractor(
    study: Study, make: Make, *, seeds: Sequence[int], images: int
) -> tuple[Results, tuple[Drawing, ...]]:
    """Draw "A photo of <A*>." for every subject, and measure what it looks like.

    Args:
        study: where; its benchmark's training photos need masks. Its protocol gives the sampling.
        make: the method.
        seeds: of training.
        images: of each word, subject and training seed, at least 1; so many or a few more, as all
            of a subject's training photos have as many.

    Raises:
        DatasetError: if a training photo has no mask.
        SettingsError: if `images` is below 1.
        GeneratorError: if the method cannot learn or draw a subject.
    """
    if images < 1:
        raise SettingsError(f"--images is {images}, wanted at least 1.")
    from pdst.diffusion.tokens import ATTRACTOR as SAID  # imports torch

    original = study.benchmark
    derived = background_benchmark(original, study.subject_ids)
    drawings = []
    for seed in seeds:
        method = as_loaded(make(seed))
        for word in WORDS:
            spoken = SAID if word == ATTRACTOR else SLOT
            own = replace(study, benchmark=derived, settings=_settings(study, derived, images))
            run = own.run(f"{word}-seed-{seed}", _saying(method, original, word, spoken))
            drawings.append(Drawing(word=word, seed=seed, run=run))
    data = pd.concat([_rows(one, derived) for one in drawings], ignore_index=True)
    return (
        Results(
            experiment="attractor",
            data=data,
            summary=_summary(data),
            finding=_finding(drawings, data),
        ),
        tuple(drawings),
    )


def _settings(study: Study, derived: Benchmark, images: int) -> Settings:
    """So many images of each subject: spread over its backgrounds, whose captions are all one."""
    photos = min(len(derived.test_photos(one.subject_id)) for one in derived.subjects)
    protocol = Protocol(
        name="attractor",
        captions_per_photo=1,
        images_per_caption=-(-images // photos),
        sampling=study.settings.protocol.sampling,
    )
    return replace(study.settings, protocol=protocol, subjects=None, limit=None)


def _saying(
    method: LoadedGenerator, original: Benchmark, word: str, spoken: str
) -> LoadedGenerator:
    return replace(method, generator=Saying(method.generator, original, word, spoken))


class Saying:
    """A method that says one of its words wherever a prompt speaks of the subject."""

    def __init__(self, generator: Generator, original: Benchmark, word: str, spoken: str) -> None:
        """Learn from the original's training photos, not from what is compared with."""
        self._generator, self._original, self._spoken = generator, original, spoken
        info = generator.info
        self.info = GeneratorInfo(
            name=f"{info.name}: {word}",
            revision=info.revision,
            settings={**info.settings, "says": spoken},
            paper=info.paper,
            code=info.code,
        )

    def prepare(
        self, subjects: Sequence[Subject], folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Learn together, if the method can."""
        if isinstance(self._generator, Learner):
            originals = [self._original.subject(one.subject_id) for one in subjects]
            self._generator.prepare(originals, folder, progress)

    def personalize(self, subject: Subject) -> "SayingSampler":
        """Learn the subject of that id.

        Raises:
            SettingsError: if its pictures are made for cases, not for prompts.
        """
        sampler = self._generator.personalize(self._original.subject(subject.subject_id))
        if isinstance(sampler, CaseSampler):
            raise SettingsError(f"{self.info.name} draws no prompts. Wanted: ti+ or neti+.")
        return SayingSampler(sampler, self._spoken)


class SayingSampler:
    """A sampler that is given the word in the slot's place."""

    def __init__(self, sampler: Sampler, spoken: str) -> None:
        """Keep both."""
        self._sampler, self._spoken = sampler, spoken

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> Sequence[Image.Image]:
        """Draw one image for each (prompt, seed), in order."""
        return self._sampler.sample([one.replace(SLOT, self._spoken) for one in prompts], seeds)


def _rows(drawing: Drawing, derived: Benchmark) -> pd.DataFrame:
    """A row an image: its mean cosine with all of the subject's backgrounds, and all crops."""
    scores = drawing.run.scores(["key", "subject_id", "kind", "copied", "copy_photo"])
    parts = []
    for subject in derived.subjects:
        columns: dict[str, object] = {}
        for family in FAMILIES:
            images = image_vectors(drawing.run, subject.subject_id, family)
            photos = photo_vectors(drawing.run, family)
            tests = derived.test_photos(subject.subject_id)
            grounds = [photo_name(subject.subject_id, "test", one.photo.image_id) for one in tests]
            crops = [photo_name(subject.subject_id, "train", one.image_id) for one in subject.train]
            metric = METRIC_OF[family]
            columns["key"] = list(images.names)
            to_grounds = cosines(images.vectors, photos.of(grounds))
            columns[f"{metric}_background"] = to_grounds.mean(axis=1)
            columns[f"{metric}_background_nearest"] = to_grounds.max(axis=1)
            columns[f"{metric}_subject"] = cosines(images.vectors, photos.of(crops)).mean(axis=1)
        parts.append(pd.DataFrame(columns))
    measured = pd.concat(parts, ignore_index=True).merge(scores, on="key", how="left")
    measured.insert(0, "word", drawing.word)
    measured.insert(1, "seed", drawing.seed)
    return measured


def leaning(data: pd.DataFrame, metric: str, word: str) -> Apart | None:
    """Similarity of a word's pictures to backgrounds minus that to the subject alone."""
    own = data[data["word"] == word]
    apart = own[f"{metric}_background"] - own[f"{metric}_subject"]
    return apart_over_subjects(own.assign(apart=apart), "apart")


def leaning_apart(data: pd.DataFrame, metric: str) -> Apart | None:
    """The attractor's leaning minus that of the subject's word; units are subjects."""
    apart = data.assign(apart=data[f"{metric}_background"] - data[f"{metric}_subject"])
    means = apart.pivot_table(index="subject_id", columns="word", values="apart", sort=True)
    means["apart"] = means[ATTRACTOR] - means[SUBJECT]
    return apart_over_subjects(means.reset_index(), "apart")


def attractor_claims(data: pd.DataFrame) -> tuple[Claim, ...]:
    """What the paper says of Fig. 9, put so that data can decide it."""
    claims = []
    for metric in METRIC_OF.values():
        title = METRICS[metric].title
        claims += [
            Claim(
                says=f"the attractor's pictures are more like the backgrounds than like the "
                f"subject ({title})",
                holds=is_above(leaning(data, metric, ATTRACTOR)),
            ),
            Claim(
                says=f"they lean there more than those of the subject's word ({title})",
                holds=is_above(leaning_apart(data, metric)),
            ),
        ]
    copied = data.loc[data["word"] == ATTRACTOR, "copied"].astype(bool)
    return (*claims, Claim(says="none of them is a copy", holds=not copied.any()))


def _finding(drawings: Sequence[Drawing], data: pd.DataFrame) -> str:
    runs = [one.run for one in drawings]
    own = data[data["word"] == ATTRACTOR]
    name = distinct_names(runs[:1])[0].removesuffix(f": {WORDS[0]}")
    what = (
        f"{name}, '{PROMPT.replace(SLOT, '<A*>')}', {len(own)} images, "
        f"{plural(data['seed'].nunique(), 'training seed')}"
    )
    parts = [setting_sentence(runs, data["subject_id"].nunique(), what)]
    for metric in METRIC_OF.values():
        title = METRICS[metric].title
        for word in WORDS:
            rows = data[data["word"] == word]
            who = "the attractor's pictures" if word == ATTRACTOR else "those of the subject's word"
            parts.append(
                f"{title} of {who}: "
                f"{estimate_text(over_subjects(rows, f'{metric}_background'))} with the "
                f"backgrounds alone, {estimate_text(over_subjects(rows, f'{metric}_subject'))} "
                f"with the subject alone, difference "
                f"{estimate_text(leaning(data, metric, word), signed=True)}."
            )
        parts.append(
            f"The attractor leans to the backgrounds by "
            f"{estimate_text(leaning_apart(data, metric), signed=True)} more than the subject's "
            "word."
        )
    copied = int(own["copied"].astype(bool).sum())
    parts.append(f"Copies of a background or crop: {percent(copied, len(own))}.")
    parts.append(verdict("Fig. 9", attractor_claims(data), [data["subject_id"].nunique()]))
    return sentences(parts)


def _summary(data: pd.DataFrame) -> dict[str, Json]:
    content: dict[str, object] = {"claims": [asdict(claim) for claim in attractor_claims(data)]}
    for metric in METRIC_OF.values():
        apart = leaning_apart(data, metric)
        content[metric] = {
            **{word: _told(leaning(data, metric, word)) for word in WORDS},
            "apart": _told(apart),
        }
    return cast("dict[str, Json]", content)


def _told(found: Apart | None) -> dict[str, object] | None:
    return None if found is None else asdict(found)
