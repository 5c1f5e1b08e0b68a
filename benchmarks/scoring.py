"""In: how many images. Out: seconds of our scoring, of two peers' and of the bare forward pass.

All four score the same images with the same weights in one process, one after the other, repeatedly
and in turning order, so that a slow minute of the machine hits all of them. A ratio is taken within
each round; its median over the rounds is reported, with the smallest and the largest.
"""

import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from PIL import Image

from benchmarks.material import Variations, make_benchmark
from benchmarks.peers import Pair, Peers, pair_by_pair, with_torchmetrics
from benchmarks.tiny import write_dino
from benchmarks.turns import Ratio, compared, in_turns
from benchmarks.twins import transformers_clip, transformers_processor
from pdst.draw import DrawOptions
from pdst.embed import Encoders
from pdst.encoders import clip as clip_family
from pdst.encoders import dino as dino_family
from pdst.encoders import load_dino, parse_weights
from pdst.encoders.clip import ClipEncoder
from pdst.encoders.tower import ImageTower, exact
from pdst.encoders.weights import build
from pdst.environment import hardware, versions
from pdst.evaluate import Options, Settings, evaluate
from pdst.images import decode_rgb
from pdst.metrics.clip_t import TEXT_RULES, scored_text
from pdst.plan import PROTOCOLS, plan
from pdst.run import open_run
from pdst.types import Benchmark

BATCH = 16
"""Of the bare forward pass: the fastest on CPUs; see pdst.encoders.tower.AT_ONCE_ON_CPU."""

PARITY = 1e-4

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringResult:
    """What was measured; seconds are medians over the rounds."""

    images: int
    distinct_images: int
    distinct_texts: int
    rounds: int
    threads: int
    photos: str
    seconds: dict[str, float]
    ratios: tuple[Ratio, ...]
    parity: dict[str, float]
    hardware: dict[str, object]
    versions: dict[str, object]

    @property
    def met(self) -> bool:
        """Whether every target is met, parity of scores included."""
        same = all(apart <= PARITY for apart in self.parity.values())  # NaN is not
        return same and all(ratio.met for ratio in self.ratios)

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        ratios = [{**asdict(ratio), "met": ratio.met} for ratio in self.ratios]
        return {**asdict(self), "ratios": ratios, "met": self.met}


def measure(
    *,
    images: int = 200,
    rounds: int = 3,
    photos: Path | None = None,
    clip: str = "untrained",
    dino: str = "untrained",
    progress: Callable[[str], None] = lambda text: None,
) -> ScoringResult:
    """Measure scoring.

    Args:
        images: generated images; 50 for each held-out photo.
        rounds: how often everything is measured.
        photos: real photos to make the images of; None: drawn ones.
        clip: weights of the ViT-B/32, as `pdst.encoders.load_clip`; untrained are as fast.
        dino: weights of the ViT-S/16, as `pdst.encoders.load_dino`.
        progress: is told what happens.
    """
    progress("loading encoders, drawing images")
    encoder = clip_family.load(parse_weights(clip, "clip"), device=CPU, dtype="float32")
    tower = dino_family.load(parse_weights(dino, "dino"), device=CPU, dtype="float32")
    benchmark = make_benchmark(images, photos)
    with tempfile.TemporaryDirectory(prefix="pdst-scoring-") as temporary:
        work = Path(temporary)
        small = load_dino(str(write_dino(work / "small-dino")))
        # A run of its own for each, because a run belongs to its encoders.
        ours = _Ours(benchmark, Encoders(clip=encoder, dino=tower), work / "run", images)
        ours_clip = _Ours(benchmark, Encoders(clip=encoder, dino=small), work / "clip-run", images)
        pairs, distinct = ours.pairs(), ours.distinct_images()
        bare = _Bare(encoder, tower, distinct, ours.texts())
        peers = Peers(
            clip=transformers_clip(encoder.model),
            processor=transformers_processor(),
            dino=bare.dino,
        )
        parity: dict[str, float] = {}

        def usual_loop() -> None:
            theirs, own = pair_by_pair(pairs, peers), ours.scores()
            for metric, scores in theirs.items():
                parity[f"usual loop, {metric}, each image"] = float(
                    np.abs(scores - own[metric]).max()
                )

        def torchmetrics() -> None:
            theirs, own = with_torchmetrics(pairs, peers), ours.scores()
            for metric, mean in theirs.items():
                parity[f"torchmetrics, {metric}, mean"] = abs(mean - float(own[metric].mean()))

        contestants: dict[str, Callable[[], None]] = {
            "usual loop": usual_loop,
            "torchmetrics": torchmetrics,
            "ours": ours.score_again,
            "ours, CLIP only": ours_clip.score_again,
            "bare forward": bare.forward,
        }
        times = in_turns(contestants, rounds, progress)
    return ScoringResult(
        images=images,
        distinct_images=len(distinct),
        distinct_texts=len(bare.texts),
        rounds=rounds,
        threads=torch.get_num_threads(),
        photos="real" if photos else "drawn",
        seconds={name: round(statistics.median(taken), 3) for name, taken in times.items()},
        ratios=(
            compared("usual loop / ours", times["usual loop"], times["ours"], 4.0, at_least=True),
            compared(
                "torchmetrics / ours, CLIP only",
                times["torchmetrics"],
                times["ours, CLIP only"],
                2.0,
                at_least=True,
            ),
            compared(
                "ours / bare forward", times["ours"], times["bare forward"], 1.1, at_least=False
            ),
        ),
        parity=parity,
        hardware=dict(hardware()),
        versions=dict(versions()),
    )


class _Ours:
    """PDST's own command, from the stored images of a drawn run to its scores and summary."""

    def __init__(self, benchmark: Benchmark, encoders: Encoders, out: Path, images: int) -> None:
        self.benchmark, self.encoders, self.out = benchmark, encoders, out
        self.settings = Settings(protocol=PROTOCOLS["paper"], limit=images)
        # Also the warm-up: the first pass of a model is slower.
        self._evaluate()

    def score_again(self) -> None:
        shutil.rmtree(self.out / "embeddings")
        self._evaluate()

    def scores(self) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        table = open_run(self.out).scores(["clip_i", "clip_t", "dino"])
        return {name: table[name].to_numpy(np.float64) for name in table.columns}

    def pairs(self) -> list[Pair]:
        run = open_run(self.out)
        pairs = []
        for chunk in plan(self.benchmark, PROTOCOLS["paper"], limit=self.settings.limit):
            noun = self.benchmark.subject(chunk.subject_id).class_noun
            reference = next(
                test.photo.encoded()
                for test in self.benchmark.test_photos(chunk.subject_id)
                if test.photo.image_id == chunk.image_id
            )
            for drawn in run.images(chunk.subject_id, chunk.image_id):
                assert drawn.encoded is not None
                text = scored_text(drawn.case.prompt, "class", noun)
                pairs.append(Pair(generated=drawn.encoded, reference=reference, text=text))
        return pairs

    def distinct_images(self) -> list[bytes]:
        photos = [photo for subject in self.benchmark.subjects for photo in subject.train]
        photos += [test.photo for test in self.benchmark.test]
        files = [photo.encoded() for photo in photos]
        return list(dict.fromkeys([*files, *(pair.generated for pair in self.pairs())]))

    def texts(self) -> list[str]:
        chunks = plan(self.benchmark, PROTOCOLS["paper"], limit=self.settings.limit)
        nouns = {subject.subject_id: subject.class_noun for subject in self.benchmark.subjects}
        return list(
            dict.fromkeys(
                scored_text(case.prompt, rule, nouns[case.subject_id])
                for chunk in chunks
                for case in chunk.cases
                for rule in TEXT_RULES
            )
        )

    def _evaluate(self) -> None:
        generator = Variations(self.benchmark)
        options = Options(draw=DrawOptions(batch=50))
        evaluate(self.benchmark, generator, self.encoders, self.out, self.settings, options)


class _Bare:
    """Nothing but the networks: every distinct image and text once, as tensors made beforehand.

    open_clip's and timm's modules as they come, without what our encoders leave out.
    """

    def __init__(
        self, clip: ClipEncoder, dino: ImageTower, files: Sequence[bytes], texts: Sequence[str]
    ) -> None:
        self.clip, self.texts = clip, texts
        model_cfg = open_clip.get_model_config(clip_family.ARCHITECTURE)
        self.images = build(lambda: open_clip.CLIP(**model_cfg))
        self.images.load_state_dict(clip.model.state_dict())
        self.dino = build(lambda: timm.create_model(dino_family.ARCHITECTURE, num_classes=0))
        self.dino.load_state_dict(dino.model.state_dict())
        self.images.eval()
        self.dino.eval()
        decoded = [decode_rgb(data) for data in files]
        self.batches = [
            (
                _prepared(clip, decoded[start : start + BATCH]),
                _prepared(dino, decoded[start : start + BATCH]),
            )
            for start in range(0, len(decoded), BATCH)
        ]

    def forward(self) -> None:
        with exact(CPU):
            for for_clip, for_dino in self.batches:
                self.images.encode_image(for_clip)
                self.dino(for_dino)
        # Our own text function: open_clip's pads every text to 77 tokens and takes three times
        # as long, which would make this limit too easy to meet.
        self.clip.encode_texts(self.texts)


def _prepared(encoder: ClipEncoder | ImageTower, images: Sequence[Image.Image]) -> torch.Tensor:
    pixels = np.stack([encoder.preprocess(image) for image in images])
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (encoder.spec.mean, encoder.spec.std)
    )
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous() / 255 - mean) / std
