"""In: neutralized captions and the classes of their subjects. Out: how well text tells the class.

The question: can a classifier that has read captions of *other* subjects tell the class of a
subject that it has never read about, from its captions alone? If no better than by chance, words do
not give the class away. A single leaking word in a few captions moves the number little; for those
there is the leak check.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB

from builders.language.rows import LanguageError
from pdst.types import SLOT

SMOOTHING = 0.1
"""Of the word counts. On the captions of dreambooth30 this classifier told as much as logistic
regression, ridge and a linear SVM did (0.22 to 0.26), at a fraction of their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a text classifier makes of captions.

    Attributes:
        accuracy: share of captions whose class is told, the mean over classes of the mean over
            their subjects: each class counts the same.
        low, high: 95 % interval of it, from resampling subjects within their classes.
        chance: mean accuracy when the classes are dealt to the subjects at random. A little below
            one in `classes`: leaving a subject out makes its class the rarer one.
        p_value: share of those deals that reach the accuracy; (1 + hits) / (1 + deals).
        by_class: accuracy of each class.
        classes, subjects, captions: how many were used.
        left_out: classes of a single subject: nothing else could have taught them.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    p_value: float
    by_class: dict[str, float]
    classes: int
    subjects: int
    captions: int
    left_out: tuple[str, ...]


def leak_probe(
    captions: Sequence[str],
    classes: Sequence[str],
    subjects: Sequence[str],
    *,
    deals: int = 200,
    resamples: int = 2000,
    seed: int = 0,
) -> Probe:
    """How well a classifier of words tells the class of a subject that it has not read about.

    Each subject is left out in turn; naive Bayes on words and word pairs (tf-idf, all classes
    equally likely beforehand) learns from the captions of all others.

    Args:
        captions: with `{}`, which the classifier does not see.
        classes: of each caption's subject: its class noun, or its kind.
        subjects: of each caption; captions of one subject are never in both learning and test.
        deals: random assignments of classes to subjects, for chance and p-value.
        resamples: of subjects, for the interval.
        seed: of both.

    Raises:
        LanguageError: if fewer than two classes have two subjects, or the lengths differ.
    """
    if not len(captions) == len(classes) == len(subjects):
        raise LanguageError(
            f"{len(captions)} captions, {len(classes)} classes, {len(subjects)} subjects: give one "
            "class and one subject a caption."
        )
    class_of = dict(zip(subjects, classes, strict=True))
    names = sorted(set(classes))
    members = {name: [s for s, own in class_of.items() if own == name] for name in names}
    usable = [name for name in names if len(members[name]) > 1]
    if len(usable) < 2:
        raise LanguageError(
            f"{len(usable)} classes have two subjects or more, wanted 2: a class is told from "
            "captions of its other subjects. Give more subjects, or ask for the kind."
        )
    used = sorted(subject for name in usable for subject in members[name])
    place = {subject: number for number, subject in enumerate(used)}
    kept = [number for number, subject in enumerate(subjects) if subject in place]
    texts = [captions[number].replace(SLOT, " ") for number in kept]
    group = np.array([place[subjects[number]] for number in kept])
    label = np.array([usable.index(class_of[subject]) for subject in used])

    probe = _Leaving(texts, group)
    rates = probe.rates(label)
    rng = np.random.default_rng(seed)
    dealt = [
        _macro(probe.rates(own), own) for own in (rng.permutation(label) for _ in range(deals))
    ]
    accuracy = _macro(rates, label)
    low, high = np.quantile(_resampled(rates, label, resamples, rng), [0.025, 0.975])
    return Probe(
        accuracy=accuracy,
        low=float(low),
        high=float(high),
        chance=float(np.mean(dealt)),
        p_value=(1 + sum(value >= accuracy - 1e-12 for value in dealt)) / (1 + deals),
        by_class={name: float(rates[label == n].mean()) for n, name in enumerate(usable)},
        classes=len(usable),
        subjects=len(used),
        captions=len(kept),
        left_out=tuple(name for name in names if name not in usable),
    )


class _Leaving:
    """Leave-one-subject-out. The words are counted once, whatever classes are dealt."""

    def __init__(self, texts: Sequence[str], group: NDArray[np.int64]) -> None:
        self._group = group
        self._folds = []
        for left_out in range(group.max() + 1):
            test = group == left_out
            vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
            learnt = vectorizer.fit_transform(
                [t for t, out in zip(texts, test, strict=True) if not out]
            )
            read = vectorizer.transform([t for t, out in zip(texts, test, strict=True) if out])
            self._folds.append((test, learnt, read))

    def rates(self, label: NDArray[np.int64]) -> NDArray[np.float64]:
        """(S,) share of each subject's captions whose class is told, given all classes."""
        own = label[self._group]
        told = []
        for left_out, (test, learnt, read) in enumerate(self._folds):
            model = MultinomialNB(alpha=SMOOTHING, fit_prior=False)
            told.append(np.mean(model.fit(learnt, own[~test]).predict(read) == label[left_out]))
        return np.array(told)


def _macro(rates: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """Mean over classes of the mean over their subjects."""
    return float(np.mean([rates[label == name].mean() for name in np.unique(label)]))


def _resampled(
    rates: NDArray[np.float64], label: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(resamples,) macro accuracies with the subjects of each class drawn anew."""
    drawn = [
        rng.choice(rates[label == name], size=(resamples, int((label == name).sum()))).mean(axis=1)
        for name in np.unique(label)
    ]
    result: NDArray[np.float64] = np.mean(drawn, axis=0)
    return result
