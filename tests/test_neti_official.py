"""Mappers of NeTI's released code: read without running anything, and the same function."""

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.diffusion.backbone import load_backbone
from pdst.diffusion.tokens import PLACEHOLDER
from pdst.diffusion.words import MappedWord
from pdst.errors import StoreError
from pdst.methods.checkpoints import load_words
from pdst.methods.inversion import Classroom
from pdst.methods.inversion_sampler import InversionSampler
from pdst.methods.inversion_settings import NeTISettings
from pdst.methods.neti_official import convert, read_official
from pdst.methods.trained import Trained
from pdst.types import Sampling

HOME = "models.positional_encoding"


class EncodingDouble(nn.Module):
    """Stands for the released code's positional encoding: same attributes, same arithmetic."""

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.sigma_t, self.sigma_l, self.num_w = 0.03, 2.0, frequencies
        spread = torch.tensor([self.sigma_t, self.sigma_l])
        # There, `.cuda()` makes a tensor with a history of the parameter: no part of the state.
        self.w = nn.Parameter(torch.randn(frequencies, 2) * spread).clone()

    def encode(self, timesteps: Tensor, layers: Tensor) -> Tensor:
        phase = self.w.detach() @ torch.stack([timesteps, layers]).float()
        waves = torch.cat([phase.sin(), phase.cos()])
        return (waves / waves.norm(dim=0)).T


class MapperDouble(nn.Module):
    """Stands for the released code's mapper: same names in its state, same arithmetic."""

    def __init__(self, norm: float, *, width: int, bypass: bool, hidden: int = 128) -> None:
        super().__init__()
        self.norm = norm
        self.encoder = EncodingDouble(1024)
        self.input_layer = nn.Linear(2048, 160)
        self.net = nn.Sequential(
            *(self.input_layer, nn.Linear(160, hidden), nn.LayerNorm(hidden), nn.LeakyReLU()),
            *(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU()),
        )
        self.output_layer = nn.Sequential(nn.Linear(hidden, width * (2 if bypass else 1)))

    def forward(self, timesteps: Tensor, layers: Tensor) -> Tensor:
        made = self.output_layer(self.net(self.encoder.encode(timesteps, layers)))
        return nn.functional.normalize(made, dim=-1) * self.norm


@pytest.fixture(autouse=True)
def _their_module() -> Iterator[None]:
    """The released code's module, for writing; reading must not need it."""
    package, module = types.ModuleType("models"), types.ModuleType(HOME)
    for name, kind in (("NeTIPositionalEncoding", EncodingDouble), ("BasicEncoder", Basic)):
        kind.__module__, kind.__qualname__, kind.__name__ = HOME, name, name
        setattr(module, name, kind)
    sys.modules |= {"models": package, HOME: module}
    yield
    sys.modules.pop("models", None)
    sys.modules.pop(HOME, None)


class Basic(nn.Module):
    """Stands for the released code's encoder of the ablation."""


def written(path: Path, mapper: MapperDouble, **changes: Any) -> Path:
    """A file as the released code's `save_mapper` writes it; its settings are plain values."""
    model = {
        "pretrained_model_name_or_path": "CompVis/stable-diffusion-v1-4",
        "use_nested_dropout": True,
        "nested_dropout_prob": 0.5,
        "normalize_mapper_output": True,
        "target_norm": mapper.norm,
        "use_positional_encoding": True,
        "pe_sigmas": {"sigma_t": 0.03, "sigma_l": 2.0},
        "num_pe_time_anchors": 10,
        "output_bypass": True,
        "revision": None,
    }
    config = {
        "log": {"exp_name": "teddy", "exp_dir": "outputs"},
        "data": {"placeholder_token": "<teddy>", "super_category_token": "teddy"},
        "model": {**model, **changes.pop("model", {})},
        "eval": {"validation_seeds": [42, 420]},
        "optim": {"learning_rate": 0.001},
    }
    content = {"state_dict": mapper.state_dict(), "cfg": config, "encoder": mapper.encoder}
    torch.save({**content, **changes}, path)
    # From here on nothing of their code is there.
    sys.modules.pop("models", None)
    sys.modules.pop(HOME, None)
    return path


@pytest.mark.parametrize("bypass", [True, False])
def test_a_read_mapper_is_the_same_function(tmp_path: Path, bypass: bool) -> None:
    torch.manual_seed(3)
    theirs = MapperDouble(0.3941, width=768, bypass=bypass)
    path = written(tmp_path / "mapper-steps-250.pt", theirs, model={"output_bypass": bypass})
    found = read_official(path, allow_pickle=True)
    assert (found.placeholder, found.super_category) == ("<teddy>", "teddy")
    assert found.base == "CompVis/stable-diffusion-v1-4"
    numbers = sum(parameter.numel() for parameter in found.mapper.parameters())
    assert numbers == (563_616 if bypass else 464_544)
    timesteps = torch.arange(0, 1000, 37).repeat_interleave(16)
    layers = torch.arange(16).repeat(len(timesteps) // 16)
    vector, along = found.mapper(timesteps, layers)
    ours = vector if along is None else torch.cat([vector, along], 1)
    # Phases are up to 100 radians, so that float32 leaves them 1e-5; outputs have norm 0.39.
    assert (ours - theirs(timesteps, layers)).abs().max().item() < 2e-6
    assert torch.equal(found.mapper.waves, theirs.encoder.w.detach())


def test_a_converted_mapper_draws(pipeline_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    backbone = load_backbone(str(pipeline_folder), device="cpu")
    theirs = MapperDouble(0.4, width=backbone.text_encoder.config.hidden_size, bypass=True)
    path = written(tmp_path / "mapper-final.pt", theirs)
    found = convert(path, tmp_path / "teddy", allow_pickle=True)
    words = load_words(tmp_path / "teddy")
    assert list(words) == [PLACEHOLDER]
    word = words[PLACEHOLDER]
    assert isinstance(word, MappedWord)
    assert word.mapper.settings == found.mapper.settings
    for name, tensor in found.mapper.state_dict().items():
        assert torch.equal(word.mapper.state_dict()[name], tensor)
    room = Classroom(backbone, NeTISettings(), None)
    sampler = InversionSampler(room, words, Sampling(steps=2, resolution=32), 1)
    (image,) = sampler.sample(["A {} on a hill."], [3])
    assert image.size == (32, 32)


def test_an_imported_mapper_is_a_checkpoint_that_the_commands_take(
    pipeline_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    path = written(tmp_path / "mapper-final.pt", MapperDouble(0.4, width=16, bypass=True))
    out = tmp_path / "checkpoints" / "teddy"
    base = ["--base", str(pipeline_folder)]
    command = ["import-neti", str(path), "--out", str(out), "--class-noun", "toy bear", *base]
    refused = CliRunner().invoke(reading, command)
    assert (refused.exit_code, "--allow-pickle" in refused.stderr) == (2, True)
    assert not out.exists()
    imported = CliRunner().invoke(reading, [*command, "--allow-pickle"])
    assert imported.exit_code == 0, imported.output
    picture = tmp_path / "picture.png"
    drawing = ["draw", str(out), "A {}.", "--steps", "2", "--seeds", "1", "--out", str(picture)]
    drawn = CliRunner().invoke(reading, [*drawing, *base])
    assert drawn.exit_code == 0, drawn.output
    assert picture.stat().st_size > 100


def test_an_imported_mapper_says_its_own_settings_and_no_others(
    pipeline_folder: Path, tmp_path: Path
) -> None:
    path = written(
        tmp_path / "mapper-final.pt",
        MapperDouble(0.4, width=16, bypass=False),
        model={"output_bypass": False, "nested_dropout_prob": 0.2},
    )
    out = tmp_path / "checkpoints" / "teddy"
    command = ["import-neti", str(path), "--out", str(out), "--class-noun", "toy bear"]
    how = ["--base", str(pipeline_folder), "--allow-pickle"]
    assert CliRunner().invoke(reading, [*command, *how]).exit_code == 0
    told = Trained(str(out.parent), base=str(pipeline_folder), device="cpu").info.settings
    own = read_official(path, allow_pickle=True).mapper.settings
    assert (own.bypass, own.dropout) == (False, 0.2)
    assert told["training"] == {
        "bypass": False,
        "norm_mode": own.norm_mode,
        "nested_dropout": own.dropout,
        "hidden": own.hidden,
        "frequencies": own.frequencies,
        "sigma_t": own.sigma_t,
        "sigma_l": own.sigma_l,
    }


def test_a_mapper_of_another_width_is_not_imported(pipeline_folder: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "wide.pt", MapperDouble(0.4, width=24, bypass=True))
    out = tmp_path / "other"
    command = ["import-neti", str(path), "--out", str(out), "--class-noun", "bear"]
    misfit = CliRunner().invoke(
        reading, [*command, "--base", str(pipeline_folder), "--allow-pickle"]
    )
    assert "vectors of 24 numbers" in " ".join(misfit.stderr.split())
    assert not out.exists()


def test_a_pickle_is_not_opened_unasked(tmp_path: Path) -> None:
    path = written(tmp_path / "mapper.pt", MapperDouble(0.4, width=8, bypass=True))
    with pytest.raises(StoreError, match="--allow-pickle"):
        read_official(path)


class Surprise:
    """A pickle that would write a file when it is opened by Python's own unpickler."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    mapper = MapperDouble(0.4, width=8, bypass=True)
    path = written(tmp_path / "mapper.pt", mapper, extra=Surprise(mark))
    with pytest.raises(StoreError, match=r"was not opened \(it holds .*open"):
        read_official(path, allow_pickle=True)
    assert not mark.exists()


def changed(mapper: MapperDouble) -> dict[str, dict[str, Any]]:
    state = mapper.state_dict()
    short = {name: value for name, value in state.items() if not name.startswith("net.4")}
    wrong = {**state, "net.4.weight": torch.zeros(3, 3)}
    return {
        "target_norm is None": {"model": {"target_norm": None}},
        "without positional encoding": {"encoder": Basic()},
        "wanted state_dict": {"state_dict": None},
        r"no mapper of NeTI's released code \('net.4.weight'\)": {"state_dict": short},
        "no mapper of NeTI's released code": {"state_dict": wrong},
    }


@pytest.mark.parametrize("number", range(5))
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, number: int) -> None:
    mapper = MapperDouble(0.4, width=8, bypass=True)
    message, change = list(changed(mapper).items())[number]
    path = written(tmp_path / "mapper.pt", mapper, **change)
    with pytest.raises(StoreError, match=message):
        read_official(path, allow_pickle=True)


def test_a_damaged_or_missing_file_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "mapper.pt", MapperDouble(0.4, width=8, bypass=True))
    path.write_bytes(path.read_bytes()[:1000])
    for broken in (path, tmp_path / "none.pt"):
        with pytest.raises(StoreError, match="cannot be read"):
            read_official(broken, allow_pickle=True)
