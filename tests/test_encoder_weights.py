"""Weights: where they come from, what they are identified by, what is refused."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import open_clip
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from benchmarks.tiny import write_clip, write_dino
from pdst.digest import Json
from pdst.encoders import load_clip, load_dino
from pdst.encoders.clip import default_configuration, read_configuration
from pdst.encoders.dino import read_configuration as read_dino_configuration
from pdst.encoders.source import LAYOUTS, parse_weights
from pdst.encoders.weights import build, fill_untrained, weights_digest
from pdst.errors import EncoderError
from tests.test_encoders import noise

CLIP, DINO = LAYOUTS["clip"], LAYOUTS["dino"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def clip_folder(scorer_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of a small CLIP's folder, to be damaged."""
    return Path(shutil.copytree(scorer_folders[0], tmp_path / "clip"))


@pytest.fixture
def dino_folder(scorer_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of a small DINO's folder, to be damaged."""
    return Path(shutil.copytree(scorer_folders[1], tmp_path / "dino"))


def edit(path: Path, *keys: str, value: Json) -> None:
    """Set one value deep in a JSON file."""
    content = json.loads(path.read_text())
    table = content
    for key in keys[:-1]:
        table = table[key]
    table[keys[-1]] = value
    path.write_text(json.dumps(content))


def test_a_folder_is_read_as_open_clip_and_timm_read_it(
    scorer_folders: tuple[Path, Path],
) -> None:
    clip, dino = load_clip(str(scorer_folders[0])), load_dino(str(scorer_folders[1]))
    assert (clip.spec.resize, clip.spec.crop, clip.spec.context) == (32, 32, 16)
    assert (dino.spec.resize, dino.spec.crop, dino.spec.context) == (40, 32, None)  # 32 / 0.8
    assert clip.spec.mean == dino.spec.mean == (0.5, 0.5, 0.5)
    assert clip.spec.weights == "folder:clip"
    assert clip.spec.trained
    peers = (
        open_clip.create_model(f"local-dir:{scorer_folders[0]}").eval().encode_image,
        timm.create_model(f"local-dir:{scorer_folders[1]}", pretrained=True).eval(),
    )
    for encoder, peer in zip((clip, dino), peers, strict=True):
        pixels = np.stack([encoder.preprocess(noise(70, 50, seed)) for seed in range(3)])
        values = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        with torch.inference_mode():
            features = torch.nn.functional.normalize(peer(values), dim=-1).numpy()
        assert np.abs(encoder.encode_images(pixels) - features).max() < 1e-6


def test_another_input_size_and_context_come_from_the_folder(tmp_path: Path) -> None:
    clip = load_clip(str(write_clip(tmp_path / "clip", size=48, context=9)))
    dino = load_dino(str(write_dino(tmp_path / "dino", size=64, crop_share=1.0)))
    assert (clip.spec.crop, clip.spec.context) == (48, 9)
    assert (dino.spec.resize, dino.spec.crop) == (64, 64)
    assert clip.encode_images(np.stack([clip.preprocess(noise(50, 60))])).shape == (1, 16)
    assert dino.encode_images(np.stack([dino.preprocess(noise(50, 60))])).shape == (1, 32)


def test_one_changed_weight_is_another_encoder_and_another_file_name_is_not(
    clip_folder: Path, tmp_path: Path
) -> None:
    before = load_clip(str(clip_folder)).spec
    renamed = Path(shutil.copytree(clip_folder, tmp_path / "renamed"))
    assert load_clip(str(renamed)).spec.digest == before.digest
    assert load_clip(str(renamed)).spec.title == "CLIP renamed"
    weights = clip_folder / LAYOUTS["clip"].weights
    tensors = load_file(weights)
    tensors["ln_final.weight"][3] += 1e-3
    save_file(tensors, weights)
    after = load_clip(str(clip_folder)).spec
    assert after.weights_digest != before.weights_digest
    assert after.digest != before.digest


def test_the_weights_digest_sees_names_types_shapes_and_values_but_no_order() -> None:
    tensors = {"b": torch.arange(6.0).view(2, 3), "a": torch.ones(())}
    digest = weights_digest(tensors)
    assert weights_digest({"a": tensors["a"], "b": tensors["b"]}) == digest
    others = (
        {"b": tensors["b"].view(3, 2), "a": tensors["a"]},
        {"b": tensors["b"].double(), "a": tensors["a"]},
        {"c": tensors["b"], "a": tensors["a"]},
        {"b": tensors["b"] + torch.eye(2, 3), "a": tensors["a"]},
    )
    assert len({digest, *map(weights_digest, others)}) == 5


def test_heads_that_no_tensor_shows_are_part_of_the_identity(clip_folder: Path) -> None:
    before = load_clip(str(clip_folder)).spec
    edit(clip_folder / LAYOUTS["clip"].config, "model_cfg", "text_cfg", "heads", value=1)
    after = load_clip(str(clip_folder)).spec
    assert after.weights_digest == before.weights_digest
    assert after.architecture != before.architecture


def test_a_known_architecture_has_its_name_however_its_folder_spells_it(tmp_path: Path) -> None:
    path = tmp_path / CLIP.config
    model_cfg = open_clip.get_model_config("ViT-B-32-quickgelu")
    model_cfg["text_cfg"]["pool_type"] = "argmax"  # a default, said aloud
    path.write_text(json.dumps({"model_cfg": model_cfg, "preprocess_cfg": {"size": [224, 224]}}))
    read, ours = read_configuration(path), default_configuration()
    assert (read.architecture, read.size) == (ours.architecture, ours.size)
    assert (read.mean, read.std) == (ours.mean, ours.std)
    assert read.tokenizer.name == ours.tokenizer.name
    model_cfg["quick_gelu"] = False
    path.write_text(json.dumps({"model_cfg": model_cfg}))
    assert read_configuration(path).architecture == "ViT-B-32"


def test_timm_s_card_of_dino_is_read_but_its_248_pixels_are_not(tmp_path: Path) -> None:
    path = tmp_path / DINO.config
    card = {"tag": "dino", "input_size": [3, 224, 224], "crop_pct": 0.9, "interpolation": "bicubic"}
    path.write_text(json.dumps({"architecture": "vit_small_patch16_224", "pretrained_cfg": card}))
    read = read_dino_configuration(path)
    assert (read.name, read.resize, read.crop) == ("vit_small_patch16_224", 256, 224)
    old_style = {"architecture": "vit_small_patch16_224", **card}
    path.write_text(json.dumps(old_style))
    assert read_dino_configuration(path) == read
    edit(path, "tag", value="of my own")
    assert read_dino_configuration(path).resize == 248


def test_the_same_seed_gives_the_same_untrained_weights_and_leaves_chance_alone() -> None:
    configuration = {"embed_dim": 8, "vision_cfg": {"layers": 1, "width": 64, "image_size": 32}}
    configuration["text_cfg"] = {"layers": 1, "width": 16, "heads": 2, "vocab_size": 60}
    before = torch.get_rng_state()
    digests = []
    for seed in (0, 0, 1):
        model = build(lambda: open_clip.CLIP(**configuration))
        fill_untrained(model, seed)
        digests.append(weights_digest(model.state_dict()))
    assert torch.equal(torch.get_rng_state(), before)
    assert digests[0] == digests[1] != digests[2]
    # The same on every machine and with every version: recorded once, must not move.
    assert digests[0][:16] == "94dff651f675db8c"


def test_a_model_is_built_as_its_constructor_builds_it() -> None:
    configuration = {"embed_dim": 8, "vision_cfg": {"layers": 1, "width": 64, "image_size": 32}}
    configuration["text_cfg"] = {"layers": 1, "width": 16, "heads": 2, "vocab_size": 60}
    quick = build(lambda: open_clip.CLIP(**configuration))
    slow = open_clip.CLIP(**configuration)
    assert torch.equal(quick.attn_mask, slow.attn_mask)  # no checkpoint holds it
    torch.set_default_dtype(torch.float64)
    try:
        assert build(lambda: open_clip.CLIP(**configuration)).visual.proj.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_untrained_weights_may_have_the_miniature_s_architecture() -> None:
    trained, control = load_clip("miniature").spec, load_clip("untrained-miniature:2").spec
    assert control.title == "untrained CLIP miniature RN23 (seed 2)"
    assert (control.weights, control.trained) == ("untrained-miniature:2", False)
    assert (control.architecture, control.dim) == (trained.architecture, trained.dim)
    assert load_dino("untrained-miniature").spec.title == (
        "untrained DINO miniature ViT-Ti/8 (seed 0)"
    )


def test_untrained_weights_embed_pictures_apart() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    for encoder in (load_clip("untrained-miniature"), load_dino("untrained-miniature")):
        vectors = encoder.encode_images(pixels)
        assert np.isfinite(vectors).all()
        assert len(np.unique(vectors.round(6), axis=0)) == 3


def test_untrained_weights_are_named_so_wherever_they_show() -> None:
    spec = load_dino("untrained:7").spec
    assert not spec.trained
    assert (spec.title, spec.weights) == ("untrained DINO ViT-S/16 (seed 7)", "untrained:7")
    assert (spec.resize, spec.crop, spec.dim) == (256, 224, 384)


def test_a_file_holds_the_default_architecture(tmp_path: Path) -> None:
    model = build(lambda: timm.create_model("vit_small_patch16_224", num_classes=0))
    fill_untrained(model, 3)
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    save_file({**tensors, "head.weight": torch.zeros(2, 384)}, tmp_path / "mine.safetensors")
    spec = load_dino(str(tmp_path / "mine.safetensors")).spec
    assert (spec.title, spec.weights) == ("DINO mine", "file:mine.safetensors")
    assert (spec.architecture, spec.resize, spec.trained) == ("vit_small_patch16_224", 256, True)
    # Half in the file, float32 in the model: the digest is of what computes.
    as_loaded = {name: tensor.float() for name, tensor in tensors.items()}
    assert spec.weights_digest == weights_digest(as_loaded)


def test_weights_that_do_not_fit_are_refused_with_examples(
    clip_folder: Path, dino_folder: Path
) -> None:
    path = dino_folder / DINO.weights
    whole = load_file(path)
    save_file({**whole, "norm.weight": torch.ones(5)}, path)
    with pytest.raises(EncoderError, match=r"1 tensors of another shape: norm.weight is \(5,\)"):
        load_dino(str(dino_folder))
    part = {name: tensor for name, tensor in whole.items() if not name.startswith("blocks.1")}
    save_file({**part, "embeddings.cls_token": torch.ones(1)}, path)
    message = (
        "12 tensors missing: blocks.1.*, ….*1 tensors unknown: embeddings.*transformers' names"
    )
    with pytest.raises(EncoderError, match=message):
        load_dino(str(dino_folder))
    (clip_folder / CLIP.weights).write_bytes(b"PK not safetensors")
    with pytest.raises(EncoderError, match="cannot be read as safetensors"):
        load_clip(str(clip_folder))


def test_a_pickle_is_refused_with_the_reason_and_the_way_out(tmp_path: Path) -> None:
    for suffix in (".pt", ".pth", ".bin", ".ckpt"):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(b"never opened")
        with pytest.raises(EncoderError, match=r"run code.*save_file\(torch.load") as raised:
            load_clip(str(path))
        assert "model.safetensors" in str(raised.value)
        folder = tmp_path / f"folder{suffix[1:]}"
        folder.mkdir()
        path.rename(folder / path.name)
        with pytest.raises(EncoderError, match=rf"holds: model\{suffix}\. .*run code"):
            load_dino(str(folder))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "opanai",
            "No clip weights 'opanai': neither a file .* nor one of openai, miniature, hub:org",
        ),
        ("untrained:x", "wanted untrained:SEED"),
        ("untrained:", "wanted untrained:SEED"),
        ("untrained:-1", "wanted untrained:SEED"),
        ("hub:name", "wanted hub:org/name"),
        ("hub:org/name@", "wanted hub:org/name"),
    ],
)
def test_a_word_that_names_no_weights_is_answered_with_those_that_do(
    spec: str, message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        parse_weights(spec, "clip")


def test_words_about_weights_are_understood(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").touch()
    assert parse_weights("openai", "clip").kind == "pretrained"
    assert parse_weights("dino", "dino").kind == "pretrained"
    assert parse_weights("untrained:12", "dino").seed == 12
    hub = parse_weights("hub:org/name@v1", "clip")
    assert (hub.kind, hub.name, hub.revision) == ("hub", "org/name", "v1")
    assert parse_weights(str(tmp_path), "clip").kind == "folder"
    assert parse_weights(str(tmp_path / "w.safetensors"), "clip").kind == "file"


def test_the_benchmark_s_own_weights_are_pinned_to_a_commit() -> None:
    for layout in LAYOUTS.values():
        for pinned in layout.pretrained.values():
            assert len(bytes.fromhex(pinned.revision)) == 20


def test_without_a_network_the_hub_s_weights_are_missed_with_alternatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for load, spec in ((load_clip, "openai"), (load_dino, "hub:org/name")):
        with pytest.raises(EncoderError, match=r"Without a network, .* folder with .* `untrained`"):
            load(spec)


def test_the_hub_s_weights_come_from_its_cache_with_their_commit(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub" / "models--org--small"
    shutil.copytree(clip_folder, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    from_hub, from_folder = load_clip("hub:org/small").spec, load_clip(str(clip_folder)).spec
    assert from_hub.weights == f"hub:org/small@{COMMIT}"
    assert from_hub.title == "CLIP org/small"
    assert from_hub.digest == from_folder.digest
    assert load_clip(f"hub:org/small@{COMMIT}").spec == from_hub


def test_a_tokenizer_is_identified_by_its_merges_not_by_when_they_were_compressed(
    clip_folder: Path,
) -> None:
    before = load_clip(str(clip_folder)).spec
    merges = clip_folder / "merges.txt.gz"
    lines = gzip.decompress(merges.read_bytes())
    merges.write_bytes(gzip.compress(lines, mtime=12345))
    assert load_clip(str(clip_folder)).spec.digest == before.digest
    merges.write_bytes(gzip.compress(lines.replace(b"\nt h\n", b"\nt q\n")))
    assert load_clip(str(clip_folder)).spec.digest != before.digest
    merges.write_bytes(b"no gzip")
    with pytest.raises(EncoderError, match="no gzip file of merges"):
        load_clip(str(clip_folder))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("preprocess_cfg", "interpolation"), "bilinear", "interpolation is 'bilinear', wanted 'b"),
        (("preprocess_cfg", "resize_mode"), "squash", "resize_mode is 'squash'"),
        (("preprocess_cfg", "size"), [64, 64], "size is .* but vision_cfg.image_size is 32"),
        (("preprocess_cfg", "mean"), [0.5], "mean and std want three numbers"),
        (("model_cfg", "vision_cfg", "image_size"), [32, 48], "wanted one number: a square"),
        (("model_cfg", "text_cfg", "hf_model_name"), "roberta", "hf_model_name is 'roberta'"),
        (("model_cfg", "text_cfg", "hedas"), 3, "does not know this configuration.*hedas"),
        (("model_cfg", "text_cfg", "heads"), 5, "cannot build a CLIP"),
        (("model_cfg", "text_cfg", "vocab_size"), 50, "has 1014 ids, the text tower 50"),
        (("model_cfg", "text_cfg", "pool_type"), "last", "'last' reads .*\"eos_id\": 1013"),
        (
            ("model_cfg", "text_cfg", "tokenizer_kwargs"),
            {"reduction_mask": "random"},
            "'reduction_mask'. are not supported",
        ),
        (
            ("model_cfg", "text_cfg", "tokenizer_kwargs"),
            {"bpe_path": "../merges.txt.gz"},
            "",
        ),
        (("model_cfg",), {}, "wanted model_cfg with embed_dim"),
    ],
)
def test_a_clip_folder_that_asks_for_something_else_is_refused(
    clip_folder: Path, keys: tuple[str, ...], value: Json, message: str
) -> None:
    edit(clip_folder / CLIP.config, *keys, value=value)
    if not message:  # only the name counts: nothing outside the folder is ever read
        assert load_clip(str(clip_folder)).spec.tokenizer is not None
        return
    with pytest.raises(EncoderError, match=message):
        load_clip(str(clip_folder))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("pretrained_cfg", "interpolation"), "bilinear", "interpolation is 'bilinear'"),
        (("pretrained_cfg", "crop_mode"), "squash", "crop_mode is 'squash'"),
        (("pretrained_cfg", "crop_pct"), 1.5, "a share in"),
        (("pretrained_cfg", "input_size"), [3, 32, 48], "wanted .3, S, S."),
        (("architecture",), "resnet50", "See VisionTransformer"),
        (("architecture",), "no_such", "no vision transformer of timm"),
        (("model_args", "checkpoint_path"), "evil.bin", "no vision transformer"),
        (("model_args", "global_pool"), "avg", "wanted a vision transformer with a class token"),
        (("model_args", "num_heads"), 5, "timm cannot build"),
    ],
)
def test_a_dino_folder_that_asks_for_something_else_is_refused(
    dino_folder: Path, keys: tuple[str, ...], value: Json, message: str
) -> None:
    edit(dino_folder / DINO.config, *keys, value=value)
    if keys == ("architecture",):
        edit(dino_folder / DINO.config, "model_args", value={})
    with pytest.raises(EncoderError, match=message):
        load_dino(str(dino_folder))


def test_a_folder_may_bring_a_transformers_tokenizer(clip_folder: Path) -> None:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    vocabulary |= {"<|startoftext|>": len(words), "<|endoftext|>": len(words) + 1}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[("d", "o"), ("do", "g</w>")])
    tokenizer.save_pretrained(clip_folder)
    edit(clip_folder / CLIP.config, "model_cfg", "text_cfg", "tokenizer_kwargs", value={})
    edit(clip_folder / CLIP.config, "model_cfg", "text_cfg", "hf_tokenizer_name", value="own")
    clip = load_clip(str(clip_folder))
    assert clip.spec.tokenizer is not None
    assert clip.spec.tokenizer.startswith("transformers-")
    assert clip.count_tokens("Dog  dog") == 4
    assert clip.count_tokens("d o g " * 9) == 29
    end_kept = clip.encode_texts(["d o g " * 9, " ".join("dogdogdogdogdo")])
    assert np.array_equal(*end_kept)


def test_an_end_mark_that_the_tower_would_overlook_is_refused(clip_folder: Path) -> None:
    letters = [f"{chr(code)}</w>" for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(chr(c) for c in range(97, 123))]
    vocabulary = {word: number for number, word in enumerate(words)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(clip_folder)
    text_cfg = ("model_cfg", "text_cfg")
    edit(clip_folder / CLIP.config, *text_cfg, "tokenizer_kwargs", value={})
    edit(clip_folder / CLIP.config, *text_cfg, "hf_tokenizer_name", value="own")
    with pytest.raises(EncoderError, match='"pool_type": "eos", "eos_id": 1'):
        load_clip(str(clip_folder))
    edit(clip_folder / CLIP.config, *text_cfg, "pool_type", value="eos")
    edit(clip_folder / CLIP.config, *text_cfg, "eos_id", value=1)
    assert load_clip(str(clip_folder)).count_tokens("a b") == 4


def test_a_device_or_a_type_that_is_not_there_is_an_error(
    scorer_folders: tuple[Path, Path],
) -> None:
    with pytest.raises(EncoderError, match="No device 'cudda' for the encoders"):
        load_clip(str(scorer_folders[0]), device="cudda")
    with pytest.raises(EncoderError, match=r"No dtype named 'float23'\. Did you mean 'float32'"):
        load_dino(str(scorer_folders[1]), dtype="float23")


def test_importing_the_encoders_needs_no_torch_and_loading_one_says_what_to_install() -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(["torch", "open_clip", "timm", "safetensors"]))
from pdst.encoders import load_clip, load_dino
from pdst.errors import EncoderError
for load in (load_clip, load_dino):
    try:
        load("untrained")
    except EncoderError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.count("pip install 'pdst[eval]'") == 2
