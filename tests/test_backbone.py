"""Base models: where they come from, what they are identified by, what is refused."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from diffusers import DDPMScheduler
from safetensors.torch import load_file, save_file

from pdst import miniature
from pdst.diffusion.backbone import load_backbone
from pdst.diffusion.source import BASES, CONFIGS, INDEX, NETWORKS, locate
from pdst.errors import BackboneError
from tests.pipelines import new_unet

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(pipeline_folder: Path, tmp_path: Path) -> Path:
    """A copy of a small base model's folder, to be damaged."""
    return Path(shutil.copytree(pipeline_folder, tmp_path / "small"))


def error_of(base: Path | str, **how: str) -> str:
    with pytest.raises(BackboneError) as caught:
        load_backbone(str(base), **how)
    return str(caught.value)


def test_a_folder_is_opened_frozen_and_leaves_the_global_random_state_alone(
    pipeline_folder: Path,
) -> None:
    before = torch.get_rng_state()
    backbone = load_backbone(str(pipeline_folder), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert (backbone.name, backbone.label) == ("small", "folder:small")
    assert (backbone.factor, backbone.resolution) == (4, 32)
    for network in (backbone.unet, backbone.vae, backbone.text_encoder):
        assert not network.training
        assert not any(weight.requires_grad for weight in network.parameters())
        assert {weight.dtype for weight in network.parameters()} == {torch.float32}


def test_both_kinds_of_autoencoder_are_opened(
    pipeline_folder: Path, kl_pipeline_folder: Path
) -> None:
    tiny, kl = (load_backbone(str(f)) for f in (pipeline_folder, kl_pipeline_folder))
    assert type(tiny.vae).__name__ == "AutoencoderTiny"
    assert type(kl.vae).__name__ == "AutoencoderKL"
    assert (tiny.factor, tiny.resolution) == (kl.factor, kl.resolution)


def test_the_unet_has_the_sixteen_cross_attention_layers_of_stable_diffusion(
    pipeline_folder: Path,
) -> None:
    unet = load_backbone(str(pipeline_folder)).unet
    names = [name for name, _ in unet.named_modules() if name.endswith(".attn2")]
    assert len(names) == 16
    assert sum(name.startswith("down_blocks") for name in names) == 6
    assert sum(name.startswith("up_blocks") for name in names) == 9


def test_the_noise_is_the_base_models_own(pipeline_folder: Path) -> None:
    noise = load_backbone(str(pipeline_folder)).noise
    kept = DDPMScheduler(**noise).alphas_cumprod
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    assert torch.allclose(kept.double(), (1 - betas).cumprod(0), atol=1e-6)


def test_the_text_encoder_stays_float32_whatever_the_unet(pipeline_folder: Path) -> None:
    backbone = load_backbone(str(pipeline_folder), dtype="bfloat16")
    assert backbone.unet.dtype == backbone.vae.dtype == backbone.dtype == torch.bfloat16
    assert backbone.text_encoder.dtype == torch.float32


def test_a_long_prompt_is_cut_and_keeps_its_end_token(pipeline_folder: Path) -> None:
    backbone = load_backbone(str(pipeline_folder))
    short, long = backbone.tokens(["a dog", "a dog " * 80])
    assert short.shape == long.shape == (77,)
    end = backbone.tokenizer.eos_token_id
    assert long[-1] == end
    assert (long != end).sum() == 76


def test_the_digest_is_of_the_content_alone(pipeline_folder: Path, folder: Path) -> None:
    original = load_backbone(str(pipeline_folder)).digest
    assert load_backbone(str(folder)).digest == original
    assert load_backbone(str(folder), dtype="bfloat16").digest == original
    (folder / "README.md").write_text("Notes.")
    assert load_backbone(str(folder)).digest == original
    path = folder / NETWORKS["vae"]
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    next(iter(tensors.values())).view(-1)[0] += 1e-3
    save_file(tensors, path, {"format": "pt"})
    assert load_backbone(str(folder)).digest != original


def test_a_changed_setting_is_another_digest(pipeline_folder: Path, folder: Path) -> None:
    edit(folder / "vae" / "config.json", "scaling_factor", 1.0)
    assert load_backbone(str(folder)).digest != load_backbone(str(pipeline_folder)).digest


def edit(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


def test_the_miniature_is_opened_by_its_name(
    pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(miniature, "GENERATOR", pipeline_folder)
    backbone = load_backbone("miniature")
    assert backbone.name == backbone.label == "miniature"


def test_an_installation_without_the_miniature_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(miniature, "GENERATOR", tmp_path)
    assert "python -m builders miniature train" in error_of("miniature")


def test_stable_diffusion_is_pinned_to_a_commit() -> None:
    pinned = BASES["sd15"]
    assert pinned.repository == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert len(pinned.revision) == 40


def test_without_a_network_the_hub_s_models_are_missed_with_alternatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for base in ("sd15", "hub:org/name"):
        error = error_of(base)
        assert "from the Hugging Face Hub" in error
        assert "--local-dir FOLDER" in error
        assert "miniature" in error


def test_the_hub_s_models_come_from_its_cache_with_their_commit(
    pipeline_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub" / "models--org--small"
    shutil.copytree(pipeline_folder, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    cached = load_backbone("hub:org/small")
    assert (cached.name, cached.label) == ("org/small", f"hub:org/small@{COMMIT}")
    assert cached.digest == load_backbone(str(pipeline_folder)).digest
    assert locate(f"hub:org/small@{COMMIT}").label == cached.label


@pytest.mark.parametrize("base", ["sd14", "org/name", "hub:name", "hub:org/name@"])
def test_what_is_no_base_model_is_answered_with_what_is(base: str) -> None:
    error = error_of(base)
    assert base in error
    assert "hub:org/name" in error


@pytest.mark.parametrize("name", [INDEX, *CONFIGS, *NETWORKS.values()])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"folder:small lacks {name}. " in error_of(folder)


def test_a_tokenizer_may_be_one_file_or_two(folder: Path) -> None:
    two = load_backbone(str(folder)).tokens(["a small dog"])
    for name in ("vocab.json", "merges.txt"):
        (folder / "tokenizer" / name).unlink()
    assert torch.equal(load_backbone(str(folder)).tokens(["a small dog"]), two)
    (folder / "tokenizer" / "tokenizer.json").unlink()
    assert "lacks tokenizer/merges.txt, tokenizer/vocab.json" in error_of(folder)


def test_pickles_are_refused_with_the_way_to_convert_them(folder: Path) -> None:
    (folder / NETWORKS["unet"]).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    error = error_of(folder)
    assert "diffusion_pytorch_model.bin is a pickle" in error
    assert "save_pretrained" in error


def test_a_cut_file_and_one_that_lacks_a_weight_are_told(folder: Path) -> None:
    path = folder / NETWORKS["unet"]
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "its unet cannot be opened" in error_of(folder)
    del tensors["conv_in.weight"]
    save_file(tensors, path, {"format": "pt"})
    assert "lacks 1 of the weights that its config.json asks for (conv_in.weight" in error_of(
        folder
    )


def test_other_kinds_of_model_are_refused(folder: Path) -> None:
    edit(folder / INDEX, "text_encoder_2", ["transformers", "CLIPTextModelWithProjection"])
    assert "text_encoder_2: a later generation" in error_of(folder)
    edit(folder / INDEX, "unet", ["diffusers", "UNetMotionModel"])
    assert "its unet is UNetMotionModel, wanted UNet2DConditionModel" in error_of(folder)


def test_parts_of_two_models_are_refused(folder: Path) -> None:
    new_unet(in_channels=9).save_pretrained(folder / "unet")
    assert "the UNet takes 9 latent channels, the VAE makes 4" in error_of(folder)
    new_unet(cross_attention_dim=24).save_pretrained(folder / "unet")
    assert "the UNet's attention is 24 wide, the text states are 16" in error_of(folder)


def test_an_unknown_device_or_dtype_is_told(pipeline_folder: Path) -> None:
    assert "No device 'tpu9'" in error_of(pipeline_folder, device="tpu9")
    assert "Did you mean 'float16'?" in error_of(pipeline_folder, dtype="float61")
