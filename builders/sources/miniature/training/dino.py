"""Several scenes of each subject in; a vision transformer out that tells subjects apart.

Self-distillation (Caron et al., ICCV 2021): a student guesses the prototypes that a slowly
following teacher sees, centred and sharpened. What they see are two *different scenes of the same
subject*, mirrored and cropped, as a photographer has several photos of one subject: so the place,
the light and the pose are noise and the subject is the signal.

Beside it, and this is no part of DINO, linear layers read the facts of the subject (class, colours,
pattern, motif) while the student learns: from the class token, and from the mean of the tokens that
the subject's mask covers, where they are easiest to find. They save hours of CPU and are dropped
afterwards; proportions, shapes of parts and markings are left to self-distillation.
"""

import random
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from builders.sources.miniature.facts import MOTIFS
from builders.sources.miniature.gates.sameness import Vectors, mean_cosines, nearest_neighbours
from builders.sources.miniature.identities import Pool, draw_identity
from builders.sources.miniature.palette import COLOURS
from builders.sources.miniature.training.answers import Answers
from builders.sources.miniature.training.data import FACTS, SIZE, Drawn, whole_numbers
from builders.sources.miniature.training.stage import Batch, device_of
from builders.sources.miniature.training.views import cropped, mirrored, normalized

ARCHITECTURE = "vit_tiny_r_s16_p8_224"
"""timm's ViT of width 192 on a convolutional stem (Xiao et al., NeurIPS 2021)."""
MODEL_ARGS = {"img_size": SIZE, "patch_size": 2, "depth": 4}
"""The stem makes a quarter of the side, a patch is two by two of that."""
GRID = 8
"""Tokens a side."""
WIDTH = 192
PROTOTYPES = 1024
STUDENT, TEACHER = 0.1, 0.05
"""Temperatures."""
FOLLOW = 0.996
"""How much of itself the teacher keeps each step, once it has caught up."""
CENTRE = 0.9
ASKED = 0.5
"""Weight of each of the subject's facts beside self-distillation."""
RAMP = 300
"""Steps over which self-distillation comes in: a teacher that saw nothing teaches noise."""
SUBJECT = ("class", "main", "second", "pattern")


def new_dino(seed: int = 0) -> Any:
    """An untrained `timm.models.VisionTransformer`."""
    torch.manual_seed(seed)
    model = timm.create_model(ARCHITECTURE, num_classes=0, **MODEL_ARGS)
    for block in model.blocks:
        block.attn.fused_attn = False  # slow on CPUs at so small heads, backwards above all
    return model


class Head(nn.Module):
    """DINO's: a perceptron, a narrow place, and prototypes of unit length."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(WIDTH, 512), nn.GELU(), nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 128)
        )
        self.prototypes = nn.Parameter(torch.randn(PROTOTYPES, 128))

    def forward(self, features: Tensor) -> Tensor:
        """(B, 192) to (B, prototypes) cosines, float32."""
        narrow = functional.normalize(self.layers(features).float())
        with torch.autocast(narrow.device.type, enabled=False):
            return narrow @ functional.normalize(self.prototypes).T


class Network(nn.Module):
    """A transformer under a head: what student and teacher are."""

    def __init__(self, seed: int) -> None:
        """Untrained."""
        super().__init__()
        self.vit = new_dino(seed)
        self.head = Head()


class DinoStage:
    """Self-distillation between scenes of one subject, with layers that read its facts."""

    name = "dino"

    def __init__(
        self,
        drawn: Drawn,
        held_out: Drawn,
        *,
        pool: Pool,
        drawn_seed: int,
        batch: int = 64,
        seed: int = 0,
    ) -> None:
        """Train on `drawn`; the curve is of `held_out`.

        Args:
            drawn: at least two scenes of each identity, in a row.
            held_out: likewise.
            pool: of `drawn`, whose identities are drawn again for the facts that no caption tells.
            drawn_seed: of `drawn`.
            batch: identities a step, two scenes of each.
            seed: of the weights.
        """
        self.drawn, self.held_out, self.pairs = drawn, held_out, batch
        self.views = int(np.bincount(drawn.identities)[0])
        self.facts = subject_facts(drawn)
        self.thirds, self.motifs = hidden_facts(int(drawn.identities[-1]) + 1, pool, drawn_seed)
        self.modules = nn.ModuleDict(
            {
                "student": Network(seed),
                "teacher": Network(seed).requires_grad_(False),
                "answers": Answers(WIDTH, SUBJECT),
                "third": nn.Linear(WIDTH, len(COLOURS)),
                "motif": nn.Linear(WIDTH, len(MOTIFS)),
            }
        )
        self.modules["teacher"].register_buffer("centre", torch.zeros(PROTOTYPES))

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        """Two scenes of each of some identities, as the teacher and as the student see them."""
        who = torch.randint(len(self.thirds), (self.pairs,), generator=rng)
        first = torch.randint(self.views, (self.pairs,), generator=rng)
        other = (first + torch.randint(1, self.views, (self.pairs,), generator=rng)) % self.views
        rows = torch.cat([who * self.views + first, who * self.views + other]).numpy()
        masks = torch.from_numpy(self.drawn.masks[rows])[:, None].float() / 255
        pictures = torch.cat([normalized(self.drawn.images[rows]), masks], 1)
        shown = who.repeat(2)
        # The teacher sees each scene nearly whole, the student more closely.
        return {
            "whole": mirrored(cropped(pictures, rng, 0.9), rng)[:, :3].contiguous(),
            "close": mirrored(cropped(pictures, rng, 0.7), rng),
            "facts": whole_numbers(self.facts[rows]),
            "third": self.thirds[shown].long(),
            "motif": self.motifs[shown].long(),
            "ramp": torch.tensor(min(1.0, step / RAMP)),
        }

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Self-distillation across the two scenes of each identity, and the subject's facts."""
        student: Any = self.modules["student"]
        teacher: Any = self.modules["teacher"]
        close = batch["close"]
        with torch.autocast(close.device.type, torch.bfloat16):
            with torch.no_grad():
                seen = teacher.head(teacher.vit(batch["whole"]))
            tokens = student.vit.forward_features(close[:, :3])
            guessed = student.head(tokens[:, 0])
        wanted = ((seen - teacher.centre) / TEACHER).softmax(1)
        self.mean = seen.mean(0)
        # What the student sees in one scene, the teacher saw in the other.
        crossed = wanted.roll(self.pairs, 0)
        distilled = -(crossed * (guessed / STUDENT).log_softmax(1)).sum(1).mean()
        share = functional.adaptive_avg_pool2d(close[:, 3:], GRID).flatten(1)[:, :, None]
        inside = (tokens[:, 1:].float() * share).sum(1) / share.sum(1).clamp(min=1e-3)
        told = self._told(tokens[:, 0], batch) + self._told(inside, batch)
        spread = wanted.mean(0)
        used = (-(spread * (spread + 1e-9).log()).sum()).exp()
        return batch["ramp"] * distilled + ASKED * told, {
            "distilled": distilled.detach(),
            "asked": told.detach(),
            "prototypes used": used.detach(),
        }

    def _told(self, features: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the subject's facts, summed over the facts."""
        answers: Any = self.modules["answers"]
        hidden = [
            functional.cross_entropy(self.modules[fact](features.float()), batch[fact])
            for fact in ("third", "motif")
        ]
        asked: Tensor = len(SUBJECT) * answers.loss(features, batch["facts"])
        return asked + torch.stack(hidden).sum()

    def after(self, step: int) -> None:
        """The teacher follows the student, and the centre what the teacher saw."""
        student: Any = self.modules["student"]
        teacher: Any = self.modules["teacher"]
        keep = min(FOLLOW, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - keep)
            teacher.centre.lerp_(self.mean, 1 - CENTRE)

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Nearest neighbours across places, and mean cosines, on held-out identities."""
        held = self.held_out
        teacher: Any = modules["teacher"]
        vectors = token_vectors(teacher.vit, held.images)
        classes, places = (held.facts[:, FACTS.index(fact)] for fact in ("class", "place"))
        cosines = np.nanmean(mean_cosines(vectors, held.identities, classes, places), axis=0)
        return {
            "nearest": nearest_neighbours(vectors, held.identities, places),
            "same identity": float(cosines[0]),
            "same class": float(cosines[1]),
            "other class": float(cosines[2]),
        }


@torch.inference_mode()
def token_vectors(vit: Any, images: NDArray[np.uint8]) -> Vectors:
    """(N, 192) class tokens of unit length, float32 arithmetic."""
    device = device_of(vit)
    parts = [
        functional.normalize(
            vit.forward_features(normalized(images[start : start + 100]).to(device))[:, 0]
        )
        for start in range(0, len(images), 100)
    ]
    found: Vectors = torch.cat(parts).cpu().numpy()
    return found


def subject_facts(drawn: Drawn) -> NDArray[np.int16]:
    """The facts with the second colour left out (-1) where a plain subject shows little of it."""
    facts = drawn.facts.copy()
    plain = facts[:, FACTS.index("pattern")] == 0
    facts[plain, FACTS.index("second")] = -1
    return facts


def hidden_facts(count: int, pool: Pool, seed: int) -> tuple[Tensor, Tensor]:
    """Third colours, -100 where no motif shows them, and motifs of identities, as numbers."""
    colours = list(COLOURS)
    thirds, motifs = [], []
    for number in range(count):
        identity = draw_identity(random.Random(f"{pool}/{seed}/{number}"), pool)
        bare = identity.motif == "none"
        thirds.append(-100 if bare else colours.index(identity.third))
        motifs.append(MOTIFS.index(identity.motif))
    return torch.tensor(thirds), torch.tensor(motifs)
