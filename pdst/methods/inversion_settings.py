"""In: what a user says about TI, NeTI and the + pipeline. Out: settings that can work."""

import logging
from dataclasses import dataclass
from typing import Literal

from pdst.diffusion.training import TrainingSettings
from pdst.diffusion.weighting import weighting
from pdst.diffusion.words import BYPASS_ALPHA
from pdst.errors import SettingsError

log = logging.getLogger(__name__)

FEW = 6
"""Examples of a batch below which the contrastive loss has few pairs of each kind."""


@dataclass(frozen=True, kw_only=True)
class InversionSettings(TrainingSettings):
    """What Textual Inversion and NeTI share.

    Attributes:
        templates: of prompts: "pdst", "verbatim", "imagenet27".
        vectors: tokens of the word; more than one for Textual Inversion only.
    """

    templates: str = "imagenet27"
    vectors: int = 1


@dataclass(frozen=True, kw_only=True)
class NeTISettings(InversionSettings):
    """NeTI (Alaluf et al., arXiv 2305.15391).

    Attributes:
        bypass: whether the mapper also gives what is added to the values.
        alpha: of the bypass.
        norm_mode: "joint" (the released code) or "base" (the paper's wording).
        nested_dropout: probability that a call drops a tail of the hidden units.
        hidden, frequencies, sigma_t, sigma_l: of the mapper.
    """

    bypass: bool = True
    alpha: float = BYPASS_ALPHA
    norm_mode: Literal["joint", "base"] = "joint"
    nested_dropout: float = 0.5
    hidden: int = 128
    frequencies: int = 1024
    sigma_t: float = 0.03
    sigma_l: float = 2.0


@dataclass(frozen=True, kw_only=True)
class PlusSettings:
    """The + pipeline (Li et al., section 4). What the paper leaves open is a setting here.

    Attributes:
        attractor: the attractor's initial word, one token.
        attractor_word: "same" as the subject's kind of word, or "plain" vectors (for NeTI+).
        pools: how a batch is spread over the three pools: "stratified" (as evenly as possible, the
            short pool rotates), "all" (every example with all three prompts, the same noise), or
            three probabilities, drawn for each example.
        mask_mode: "binary" or "soft" masks at latent size.
        mask_norm: "elements" (Eq. (4)) or "area" (divided by the mask's area).
        subject_weight, background_weight, joint_weight: of the three denoising losses, Eq. (6).
        contrast: the largest weight of the contrastive loss.
        schedule: of that weight over training; see `pdst.diffusion.weighting`.
        temperature, normalize, nce_form: of the contrastive loss, Eq. (5).
        nce_stream: which of the two streams of text states the contrastive loss sees; they differ
            with NeTI's bypass only.
        nce_layers: "all" of NeTI's layers, or "random1": another one each pass.
        stopgrad_attractor_context: keep the contrastive loss from moving the subject's word
            through what stands after it: the attractor's context.
    """

    attractor: str = "background"
    attractor_word: Literal["same", "plain"] = "same"
    pools: str | tuple[float, float, float] = "stratified"
    mask_mode: Literal["binary", "soft"] = "binary"
    mask_norm: Literal["elements", "area"] = "elements"
    subject_weight: float = 1.0
    background_weight: float = 1.0
    joint_weight: float = 1.0
    contrast: float = 0.1
    schedule: str = "cosine"
    temperature: float = 0.07
    normalize: bool = True
    nce_form: Literal["pooled", "per_anchor"] = "pooled"
    nce_stream: Literal["keys", "values", "both"] = "values"
    nce_layers: Literal["all", "random1"] = "all"
    stopgrad_attractor_context: bool = False


def require_sound(plus: PlusSettings, settings: InversionSettings) -> None:
    """Refuse settings of the + pipeline that cannot work.

    Raises:
        SettingsError: that says which.
    """
    weighting(plus.schedule)
    if plus.temperature <= 0:
        raise SettingsError(
            f"temperature is {plus.temperature}, wanted a number above 0, such as 0.07."
        )
    for name in ("subject_weight", "background_weight", "joint_weight", "contrast"):
        if getattr(plus, name) < 0:
            raise SettingsError(f"{name} is {getattr(plus, name)}, wanted at least 0.")
    if settings.templates == "imagenet27":
        raise SettingsError(
            "templates is 'imagenet27', which has no prompts with a background. Wanted 'pdst' or "
            "'verbatim' for the + methods."
        )
    if isinstance(plus.pools, str):
        if plus.pools not in ("stratified", "all"):
            raise SettingsError(
                f"pools is '{plus.pools}', wanted 'stratified', 'all', or three probabilities."
            )
        if plus.pools == "stratified" and settings.batch < 3:
            raise SettingsError(
                f"batch is {settings.batch}, wanted at least 3: one example of each pool."
            )
        if plus.pools == "stratified" and settings.batch < FEW and plus.contrast:
            log.warning(
                "batch is %d: the contrastive loss has few pairs below %d.", settings.batch, FEW
            )
    elif len(plus.pools) != 3 or min(plus.pools) < 0 or sum(plus.pools) <= 0:
        raise SettingsError(f"pools is {plus.pools}, wanted three probabilities, at least 0.")
