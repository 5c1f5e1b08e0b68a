"""The miniature's CLIP, DINO and judge: what they learn from, what opens them, what gates measure.

The networks here have learned for a few steps: enough for weights that no constructor gives. The
package's own are tested as well where it carries them.
"""

import json
import random
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open

from builders.sources.miniature.export import weights_of
from builders.sources.miniature.export_scorers import export_clip, export_dino, trained_judge
from builders.sources.miniature.facts import ACTIONS, CLASSES, MOTIFS, PLACES
from builders.sources.miniature.gates import zero_shot as asking
from builders.sources.miniature.gates.clip import clip_gates
from builders.sources.miniature.gates.dino import CHANGES, changed_pictures, dino_gates, fall
from builders.sources.miniature.gates.gate import Gate
from builders.sources.miniature.gates.judge import judge_gates
from builders.sources.miniature.gates.report import measure, table
from builders.sources.miniature.gates.sameness import (
    colour_histograms,
    margins,
    mean_cosines,
    nearest_neighbours,
)
from builders.sources.miniature.identities import draw_identity
from builders.sources.miniature.training import dino as dino_training
from builders.sources.miniature.training import judge as judge_training
from builders.sources.miniature.training.answers import Answers
from builders.sources.miniature.training.clip import ClipStage, said_facts, text_features
from builders.sources.miniature.training.data import (
    FACTS,
    Drawn,
    drawn_scenes,
    fact_values,
    whole_numbers,
    without_surroundings,
)
from builders.sources.miniature.training.dino import DinoStage, hidden_facts
from builders.sources.miniature.training.judge import JudgeStage
from builders.sources.miniature.training.loop import Schedule, train
from builders.sources.miniature.training.stages import miniature_tokenizer
from builders.sources.miniature.training.views import (
    cropped,
    mirrored,
    normalized,
    on_plain,
    shifted,
)
from pdst.encoders import LAYOUTS, load_clip, load_dino
from pdst.errors import EncoderError
from pdst.miniature import CLIP, DINO

TEXTS = ["A red dog is standing on the beach.", "mug", "A photo of a café in Zürich: 42!", ""]
SCHEDULE = Schedule(steps=3, batch=8, rate=1e-3, warm_up=1)


def quiet(text: str) -> None:
    """Log nothing."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """24 scenes of 8 identities."""
    folder = tmp_path_factory.mktemp("scenes")
    return drawn_scenes(folder, pool="scorers", seed=3, count=24, views=3, processes=1)


@pytest.fixture(scope="module")
def work(few: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with the three stages, trained for three small steps."""
    work = tmp_path_factory.mktemp("work")
    clip = ClipStage(few, few, miniature_tokenizer(work), batch=8)
    train(clip, SCHEDULE, work / "clip", log=quiet)
    dino = DinoStage(few, few, pool="scorers", drawn_seed=3, batch=4)
    train(dino, SCHEDULE, work / "dino", log=quiet)
    train(JudgeStage(few, few, batch=8), SCHEDULE, work / "judge", log=quiet)
    return work


@pytest.fixture(scope="module", params=["trained for three steps", "of the package"])
def folders(request: pytest.FixtureRequest, work: Path) -> tuple[Path, Path]:
    """The exported CLIP and DINO."""
    if request.param == "of the package":
        if not (CLIP / LAYOUTS["clip"].weights).exists():
            pytest.skip("this copy carries no trained weights: builders miniature export")
        return CLIP, DINO
    clip, dino = work / "weights" / "clip", work / "weights" / "dino"
    clip.mkdir(parents=True, exist_ok=True)
    (clip / "left over from before").touch()
    export_clip(work, clip)
    export_dino(work, dino)
    assert not (clip / "left over from before").exists()
    return clip, dino


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def unit(features: torch.Tensor) -> np.ndarray:
    """Rows of unit length."""
    found: np.ndarray = torch.nn.functional.normalize(features).numpy()
    return found


@pytest.mark.usefixtures("offline")
def test_stock_open_clip_opens_the_clip_and_agrees_with_pdst(
    folders: tuple[Path, Path], few: Drawn
) -> None:
    name = f"local-dir:{folders[0]}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    pictures = [Image.fromarray(image).resize((256, 256)) for image in few.images[:8]]
    ours = load_clip(str(folders[0]))
    with torch.inference_mode():
        images = unit(model.encode_image(torch.stack([preprocess(one) for one in pictures])))
        texts = unit(model.encode_text(tokenizer(TEXTS)))
    pixels = np.stack([ours.preprocess(picture) for picture in pictures])
    assert np.abs(ours.encode_images(pixels) - images).max() < 1e-4
    assert np.abs(ours.encode_texts(TEXTS) - texts).max() < 1e-4
    assert np.ptp(images, axis=0).max() > 1e-3
    assert np.ptp(texts, axis=0).max() > 1e-3


@pytest.mark.usefixtures("offline")
def test_stock_timm_opens_the_dino_and_agrees_with_pdst(
    folders: tuple[Path, Path], few: Drawn
) -> None:
    model = timm.create_model(f"local-dir:{folders[1]}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    pictures = [Image.fromarray(image).resize((256, 256)) for image in few.images[:8]]
    with torch.inference_mode():
        images = unit(model(torch.stack([transform(one) for one in pictures])))
    ours = load_dino(str(folders[1]))
    pixels = np.stack([ours.preprocess(picture) for picture in pictures])
    assert np.abs(ours.encode_images(pixels) - images).max() < 1e-4
    assert np.ptp(images, axis=0).max() > 1e-3


def test_exported_files_hold_halves_and_nothing_that_only_training_needs(
    folders: tuple[Path, Path],
) -> None:
    for folder, family in zip(folders, ("clip", "dino"), strict=True):
        with safe_open(folder / LAYOUTS[family].weights, "pt") as kept:  # type: ignore[index]
            names = list(kept.keys())
            types = {kept.get_tensor(name).dtype for name in names}
        assert types <= {torch.float16, torch.int64}
        assert not [name for name in names if "answers" in name or "prototypes" in name]
        text = "".join(path.read_text("utf-8") for path in folder.glob("*.json"))
        assert str(folder.parent) not in text


def test_the_package_s_own_are_found_by_name_and_their_absence_is_explained(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for family, folder in zip(("clip", "dino"), folders, strict=True):
        layout = LAYOUTS[family]  # type: ignore[index]
        there = type(layout.packaged["miniature"])(
            folder=folder, title=layout.packaged["miniature"].title
        )
        monkeypatch.setitem(layout.packaged, "miniature", there)
    clip, dino = load_clip("miniature").spec, load_dino("miniature").spec
    assert (clip.title, dino.title) == ("CLIP miniature RN23", "DINO miniature ViT-Ti/8")
    assert clip.weights == dino.weights == "miniature"
    assert clip.trained
    assert dino.trained
    assert clip.weights_digest == load_clip(str(folders[0])).spec.weights_digest
    layout = LAYOUTS["dino"]
    monkeypatch.setitem(
        layout.packaged, "miniature", type(there)(folder=tmp_path / "dino", title="miniature")
    )
    with pytest.raises(EncoderError, match=r"carries none in .*python -m builders miniature"):
        load_dino("miniature")


def test_a_text_is_read_without_padding_as_open_clip_reads_it_with(work: Path, few: Drawn) -> None:
    stage = ClipStage(few, few, miniature_tokenizer(work))
    model = stage.modules["clip"].eval()
    tokens = stage.tokens[:, 0]
    end = stage.tokenizer.eos_token_id
    padded = np.full((len(tokens), model.context_length), end, np.int64)
    padded[:, : tokens.shape[1]] = tokens
    with torch.inference_mode():
        ours = text_features(model, whole_numbers(tokens), whole_numbers((tokens == end).argmax(1)))
        theirs = model.encode_text(torch.from_numpy(padded))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_caption_is_asked_only_for_what_it_says() -> None:
    values = fact_values()
    facts = np.zeros((1, len(FACTS)), np.int16)
    for fact, value in (
        ("class", "dog"),
        ("main", "red"),
        ("place", "snow"),
        ("action", "sitting"),
    ):
        facts[0, FACTS.index(fact)] = values[fact].index(value)
    captions = [["A red dog is sitting in the snow.", "A photo of a dog in the snow."]]
    said = said_facts(captions, facts)[0]
    asked = {
        fact: (said[:, FACTS.index(fact)] == facts[0, FACTS.index(fact)]).tolist()
        for fact in ("class", "place", "main", "action")
    }
    assert asked == {
        "class": [True, True],
        "place": [True, True],
        "main": [True, False],
        "action": [True, False],
    }
    others = [FACTS.index(fact) for fact in ("second", "pattern", "weather", "light", "prop")]
    assert (said[:, others] == -1).all()


def test_answers_that_are_not_asked_for_move_nothing() -> None:
    answers, features = Answers(4), torch.randn(3, 4)
    facts = torch.zeros((3, len(FACTS)), dtype=torch.int64)
    facts[1:] = -1
    alone = answers.loss(features[:1], facts[:1])
    torch.testing.assert_close(answers.loss(features, facts), alone)


def test_equal_captions_are_all_right_answers(work: Path, few: Drawn) -> None:
    class SameWords(ClipStage):
        """Every scene has one and the same caption."""

    stage = SameWords(few, few, miniature_tokenizer(work))
    stage.tokens[:], stage.ends[:] = stage.tokens[0, 0], stage.ends[0, 0]
    _, told = stage.loss(stage.batch(0, torch.Generator().manual_seed(0)))
    # All captions are the same, so every picture is as right as any other: no better than even.
    pictures = stage.size - stage.plain
    assert float(told["infonce"]) == pytest.approx(np.log(pictures), rel=0.05)


def test_two_views_of_a_step_show_one_identity_in_two_scenes(few: Drawn) -> None:
    stage = DinoStage(few, few, pool="scorers", drawn_seed=3)
    seen: list[torch.Tensor] = []
    stage.modules["teacher"].vit.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    stage.loss(stage.batch(0, torch.Generator().manual_seed(0)))
    first, other = seen[0].chunk(2)
    assert len(first) == stage.pairs
    assert ((first - other).abs().mean((1, 2, 3)) > 0.01).all()


def test_the_teacher_learns_from_no_gradient_and_follows_the_student(few: Drawn) -> None:
    stage = DinoStage(few, few, pool="scorers", drawn_seed=3)
    loss, _ = stage.loss(stage.batch(0, torch.Generator().manual_seed(0)))
    loss.backward()  # type: ignore[no-untyped-call]
    student, teacher = stage.modules["student"], stage.modules["teacher"]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())
    with torch.no_grad():
        student.vit.norm.weight.add_(1.0)
    before = teacher.vit.norm.weight.clone()
    stage.after(10_000)
    moved = teacher.vit.norm.weight - before
    torch.testing.assert_close(moved, torch.full_like(moved, 1 - dino_training.FOLLOW))
    assert teacher.centre.abs().sum() > 0


def test_facts_that_no_caption_tells_are_those_of_the_drawn_identities(few: Drawn) -> None:
    identities = [draw_identity(random.Random(f"scorers/3/{n}"), "scorers") for n in range(8)]
    nouns = [CLASSES[row] for row in few.facts[::3, FACTS.index("class")]]
    assert [identity.class_noun for identity in identities] == nouns
    thirds, motifs = hidden_facts(8, "scorers", 3)
    assert [MOTIFS[n] for n in motifs] == [identity.motif for identity in identities]
    assert ((thirds == -100) == (motifs == 0)).all()


def test_views_keep_colours_and_size(few: Drawn) -> None:
    rng, pixels = torch.Generator().manual_seed(0), normalized(few.images[:6])
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    for view in (shifted(pixels, rng), mirrored(pixels, rng), cropped(pixels, rng)):
        assert view.shape == pixels.shape
        assert view.min() >= pixels.min() - 1e-4
        assert view.max() <= pixels.max() + 1e-4
        assert not torch.equal(view, pixels)
    torch.testing.assert_close(cropped(pixels, rng, 1.0), pixels, atol=1e-4, rtol=0)


def test_a_subject_on_a_plain_ground_keeps_its_pixels_and_loses_its_place(few: Drawn) -> None:
    pixels, rng = normalized(few.images[:4]), torch.Generator().manual_seed(0)
    plain = on_plain(pixels, few.masks[:4], rng, 2)
    inside = torch.from_numpy(few.masks[:4] == 255)[:, None].expand_as(pixels)
    outside = torch.from_numpy(few.masks[:2] == 0)
    assert torch.equal(plain[inside], pixels[inside])
    assert torch.equal(plain[2:], pixels[2:])
    for picture, ground in zip(plain[:2], outside, strict=True):
        assert picture[:, ground].std(dim=1).max() < 1e-6
    asked = without_surroundings(few.facts[:4], 2) >= 0
    kept = [FACTS.index(fact) for fact in ("class", "main", "second", "pattern", "action")]
    assert asked[:2].sum() == 2 * len(kept)
    assert asked[:, kept].all()
    assert asked[2:].all()


def test_a_clip_that_names_facts_answers_all_and_one_that_names_none_guesses() -> None:
    values = fact_values()
    words = [*CLASSES, *PLACES, *values["main"], *(a.split()[0] for a in values["action"])]

    def encode(texts: list[str]) -> np.ndarray:
        """Which of our words a text has."""
        told = [[float(word in text.lower()) for word in words] + [0.01] for text in texts]
        rows = np.array(told, np.float32)
        found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return found

    rng = np.random.default_rng(0)
    facts = np.zeros((200, len(FACTS)), np.int16)
    texts = []
    for row in range(200):
        noun = CLASSES[rng.integers(len(CLASSES))]
        colours = asking.FUR if noun in asking.FURRED else asking.BRIGHT
        said = {
            "class": noun,
            "main": colours[rng.integers(len(colours))],
            "place": PLACES[rng.integers(len(PLACES))],
            "action": ACTIONS[noun][rng.integers(len(ACTIONS[noun]))],
        }
        for fact, value in said.items():
            facts[row, FACTS.index(fact)] = values[fact].index(value)
        doing = asking.DOING[said["action"]][0]
        place = asking.PLACE_WORDS[said["place"]][0]
        texts.append(f"A {said['main']} {noun} is {doing} {place}.")
    right = asking.zero_shot(encode(texts), facts, encode)
    assert right["class"].mean() > 0.95
    assert right["place"].mean() > 0.95
    assert right["main"].mean() > 0.95
    nothing = np.ones((200, len(words) + 1), np.float32) / np.sqrt(len(words) + 1)
    assert asking.zero_shot(nothing, facts, encode)["class"].mean() < 0.15


def test_the_same_caption_of_another_scene_is_no_error() -> None:
    images = np.eye(3, dtype=np.float32)
    texts = images[[1, 0, 2]]
    assert asking.retrieved(images, texts, ["a", "b", "c"]) == pytest.approx(1 / 3)
    assert asking.retrieved(images, texts, ["a", "a", "c"]) == 1.0


def test_a_background_helps_nobody_to_be_recognized() -> None:
    # Two identities at two places each; vectors that tell the place alone, then the subject alone.
    identities = np.array([0, 0, 1, 1], np.int32)
    places = np.array([0, 1, 0, 1], np.int16)
    classes = np.zeros(4, np.int16)
    of_place = np.eye(2, dtype=np.float32)[places]
    of_subject = np.eye(2, dtype=np.float32)[identities]
    assert nearest_neighbours(of_subject, identities, places) == 1.0
    cosines = mean_cosines(of_subject, identities, classes, places)
    assert cosines[:, 0].tolist() == [1.0, 1.0]
    assert cosines[:, 1].tolist() == [0.0, 0.0]
    assert mean_cosines(of_place, identities, classes, places)[:, 0].tolist() == [0.0, 0.0]


def test_margins_lie_in_their_intervals_and_widen_with_doubt() -> None:
    rng = np.random.default_rng(0)
    sure = np.stack([rng.normal(m, 0.01, 100) for m in (0.9, 0.5, 0.1)], 1)
    doubtful = np.stack([rng.normal(m, 0.3, 100) for m in (0.9, 0.5, 0.1)], 1)
    for found, wide in zip(margins(sure), margins(doubtful), strict=True):
        assert found.low < found.value < found.high
        assert found.value == pytest.approx(0.4, abs=0.01)
        assert wide.high - wide.low > 5 * (found.high - found.low)


def test_histograms_of_the_same_colours_agree_wherever_they_are(few: Drawn) -> None:
    shuffled = few.images[:1].reshape(-1, 3)[::-1].reshape(few.images[:1].shape)
    one, two = colour_histograms(few.images[:1]), colour_histograms(shuffled)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert float((one @ two.T)[0, 0]) == pytest.approx(1, abs=1e-5)


def test_a_changed_subject_stays_in_its_scene() -> None:
    pictures = changed_pictures(4)
    assert len(pictures.others) == len(CHANGES)
    apart = [
        float(np.abs(others.astype(int) - pictures.others[0]).mean()) for others in pictures.others
    ]
    assert apart[0] == 0
    assert 0 < apart[1] < apart[3]
    means = fall(colour_histograms, pictures)
    assert means.shape == (len(CHANGES),)


def test_the_judge_answers_every_fact_of_every_picture(work: Path, few: Drawn) -> None:
    judge = trained_judge(weights_of("judge", work))
    said = judge.classify(few.images)
    assert set(said) == set(FACTS)
    assert all(len(values) == len(few) for values in said.values())
    assert judge.features(few.images).shape == (len(few), 2 * judge_training.WIDTHS[-1])
    assert {gate.name for gate in judge_gates(judge, few)} == {
        "judge: class",
        "judge: place",
        "judge: colour",
    }


def test_every_gate_of_the_scorers_stands_beside_its_control(work: Path, few: Drawn) -> None:
    export_clip(work, work / "gated" / "clip")
    export_dino(work, work / "gated" / "dino")
    clip, dino = load_clip(str(work / "gated/clip")), load_dino(str(work / "gated/dino"))
    gates = clip_gates(clip, miniature_tokenizer(work), few) + dino_gates(dino, few, count=4)
    assert len({gate.name for gate in gates}) == len(gates) == 9
    for gate in gates:
        assert np.isfinite(gate.value)
        assert gate.control is not None
        assert np.isfinite(gate.control)
    # Three steps teach nothing: what is measured there is measured as missed.
    assert not gates[0].met


def test_gates_are_kept_beside_those_of_other_stages(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from builders.sources.miniature.gates import report

    one = Gate(name="one", value=0.5, wanted=0.9, control=0.1)
    two = Gate(name="two", value=0.5, wanted=0.9, at_least=False)
    monkeypatch.setitem(report.GATES, "clip", lambda work, log: [one])
    monkeypatch.setitem(report.GATES, "dino", lambda work, log: [two])
    measure(work, ["clip"], quiet)
    measure(work, ["dino"], quiet)
    kept = json.loads((work / "gates.json").read_text("utf-8"))
    assert [gate["met"] for gates in kept.values() for gate in gates] == [False, True]
    assert table([one, two]).row_count == 2
