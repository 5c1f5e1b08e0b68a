"""NeTI's mapper: published sizes and kernel, nested dropout, norms, determinism."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pdst.diffusion.mapper import Mapper, MapperSettings, nested_keep
from pdst.errors import SettingsError

SMALL = MapperSettings(width=6, norm=0.4, layers=4, frequencies=32, hidden=16)
TIMES = torch.tensor([0, 500, 999])
LAYERS = torch.tensor([0, 2, 3])


def numbers(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


def same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def both(mapper: Mapper, *, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    vector, bypass = mapper(TIMES, LAYERS, keep=keep)
    assert bypass is not None
    return vector, bypass


# Sizes and the encoding: NeTI's, for Stable Diffusion 1.5's 768 numbers


@pytest.mark.parametrize(("bypass", "count"), [(True, 563_616), (False, 464_544)])
def test_a_mapper_has_as_many_parameters_as_netis(bypass: bool, count: int) -> None:
    mapper = Mapper(MapperSettings(width=768, norm=0.4, bypass=bypass), seed=0)
    assert numbers(mapper) == count
    assert mapper.waves.shape == (1024, 2)
    assert "waves" in mapper.state_dict()
    vector, second = mapper(TIMES, LAYERS)
    assert vector.shape == (3, 768)
    assert (second is not None) == bypass


def test_an_encoding_is_sines_and_cosines_over_their_norm_of_32() -> None:
    mapper = Mapper(MapperSettings(width=768, norm=0.4), seed=0)
    phase = torch.stack([TIMES, LAYERS], dim=1).double() @ mapper.waves.double().T
    raw = torch.cat([phase.sin(), phase.cos()], dim=1)
    assert torch.allclose(raw.norm(dim=1), torch.tensor(32.0).double())
    # Phases reach 100, where float32 has steps of 8e-6.
    made = 32 * mapper.encoding(TIMES, LAYERS)
    assert torch.allclose(made.double(), raw, rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("time", "layer", "cosine"), [(10, 0, 0.956), (50, 0, 0.34), (0, 1, 0.13), (500, 8, 0.0)]
)
def test_encodings_are_as_alike_as_published(
    seed: int, time: int, layer: int, cosine: float
) -> None:
    mapper = Mapper(MapperSettings(width=768, norm=0.4), seed=seed)
    one, other = mapper.encoding(torch.tensor([300, 300 + time]), torch.tensor([3, 3 + layer]))
    # 1024 random frequencies: the standard error of the mean of their cosines is 0.02.
    assert float(one @ other) == pytest.approx(cosine, abs=0.05)


def test_the_first_layer_starts_as_the_encodings_of_160_anchors() -> None:
    mapper = Mapper(MapperSettings(width=768, norm=0.4), seed=0)
    assert mapper.input.weight.shape == (160, 2048)
    for at, time, layer in ((0, 0, 0), (15, 0, 15), (16, 100, 0), (159, 900, 15)):
        code = mapper.encoding(torch.tensor([time]), torch.tensor([layer]))
        assert torch.allclose(mapper.input.weight[at], code[0])
    assert mapper.input.weight.requires_grad


# Nested dropout


def test_truncation_zeroes_the_tail_of_the_hidden_vector_alone() -> None:
    mapper = Mapper(SMALL, seed=0)
    given: list[Tensor] = []
    mapper.output.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    mapper(TIMES, LAYERS)
    mapper(TIMES, LAYERS, keep=torch.tensor([0, 5, 16]))
    whole, cut = given
    assert not cut[0].any()
    assert torch.equal(cut[1, :5], whole[1, :5])
    assert not cut[1, 5:].any()
    assert torch.equal(cut[2], whole[2])
    assert whole.all()


def test_one_coin_is_tossed_a_call_and_an_index_drawn_a_row() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = [nested_keep(50, 128, 0.5, rng) for _ in range(400)]
    kept = [keep for keep in drawn if keep is not None]
    # Binomial: 200 with a standard deviation of 10.
    assert 160 < len(kept) < 240
    indices = torch.stack(kept)
    assert indices.shape[1] == 50
    assert (int(indices.min()), int(indices.max())) == (0, 127)
    assert (indices.float().std(dim=1) > 20).all()
    # Uniform on 0 to 127: 63.5, with a standard error of 36.9 / sqrt(8000).
    assert float(indices.float().mean()) == pytest.approx(63.5, abs=2)


def test_nested_dropout_happens_never_or_always_where_so_set() -> None:
    rng = torch.Generator().manual_seed(0)
    assert all(nested_keep(1, 8, 0.0, rng) is None for _ in range(100))
    assert all(nested_keep(1, 8, 1.0, rng) is not None for _ in range(100))


# Norms


def test_jointly_scaled_both_halves_together_have_the_norm() -> None:
    vector, bypass = both(Mapper(SMALL, seed=0))
    assert torch.allclose(torch.cat([vector, bypass], dim=1).norm(dim=1), torch.full((3,), 0.4))
    assert (vector.norm(dim=1) < 0.38).all()


def test_scaled_by_its_own_the_vector_has_the_norm() -> None:
    joint = both(Mapper(SMALL, seed=0))
    base = both(Mapper(replace(SMALL, norm_mode="base"), seed=0))
    assert torch.allclose(base[0].norm(dim=1), torch.full((3,), 0.4))
    for one, other in zip(joint, base, strict=True):
        cosines = nn.functional.cosine_similarity(one, other)
        assert torch.allclose(cosines, torch.ones(3))


def test_without_a_bypass_both_norms_are_one() -> None:
    alone = replace(SMALL, bypass=False)
    joint, nothing = Mapper(alone, seed=0)(TIMES, LAYERS)
    base, _ = Mapper(replace(alone, norm_mode="base"), seed=0)(TIMES, LAYERS)
    assert nothing is None
    assert torch.equal(joint, base)
    assert torch.allclose(joint.norm(dim=1), torch.full((3,), 0.4))


# Determinism


def test_a_seed_gives_one_mapper_and_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    one = Mapper(SMALL, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(one, Mapper(SMALL, seed=5))
    assert not same(one, Mapper(SMALL, seed=6))
    assert all(torch.equal(a, b) for a, b in zip(both(one), both(one.eval()), strict=True))


def test_weights_start_where_torchs_own_do() -> None:
    mapper = Mapper(MapperSettings(width=768, norm=0.4), seed=0)
    for layer in (mapper.body[0], mapper.body[3], mapper.output):
        bound = 1 / math.sqrt(layer.in_features)
        for weights in (layer.weight, layer.bias):
            assert weights.abs().max() <= bound
        # A uniform distribution's, on at least 16,384 numbers.
        assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert 0 < mapper.input.bias.abs().max() <= 1 / math.sqrt(2048)


def test_a_table_holds_every_timestep_and_layer() -> None:
    mapper = Mapper(SMALL, seed=0).train()
    vectors, bypasses = mapper.table([999, 500])
    assert bypasses is not None
    assert vectors.shape == bypasses.shape == (2, 4, 6)
    assert not vectors.requires_grad
    assert mapper.training
    for row, time in enumerate((999, 500)):
        for layer in range(4):
            vector, bypass = mapper(torch.tensor([time]), torch.tensor([layer]))
            assert torch.allclose(vectors[row, layer], vector[0], atol=1e-6)
            assert torch.allclose(bypasses[row, layer], bypass[0], atol=1e-6)
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3
    assert Mapper(replace(SMALL, bypass=False), seed=0).table([0])[1] is None


def test_a_mapper_survives_a_safetensors_file(tmp_path: Path) -> None:
    mapper = Mapper(SMALL, seed=0)
    save_file(mapper.state_dict(), tmp_path / "mapper.safetensors")
    other = Mapper(SMALL, seed=1)
    assert not same(mapper, other)
    other.load_state_dict(load_file(tmp_path / "mapper.safetensors"))
    assert same(mapper, other)
    assert all(torch.equal(a, b) for a, b in zip(both(mapper), both(other), strict=True))


def test_all_weights_but_the_frequencies_learn() -> None:
    mapper = Mapper(SMALL, seed=0)
    vector, bypass = both(mapper)
    (vector.pow(3).sum() + bypass.pow(3).sum()).backward()
    assert all(w.grad is not None and w.grad.any() for w in mapper.parameters())
    assert not mapper.waves.requires_grad


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"norm": 0.0},
        {"norm": math.nan},
        {"layers": 0},
        {"norm_mode": "both"},
        {"sigma_t": -1.0},
        {"sigma_l": math.inf},
        {"frequencies": 0},
        {"hidden": 0},
        {"anchor_step": 0},
        {"dropout": 1.5},
    ],
)
def test_a_setting_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"The mapper's {name} is .*, wanted"):
        replace(SMALL, **wrong)
