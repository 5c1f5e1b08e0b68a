"""Cross-attention layers: their order, and telling each of them something of its own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import Tensor

from pdst.diffusion.attention import EagerAttention, Layered, LayeredAttention, told_by_layer
from pdst.diffusion.layers import cross_attention_layers
from tests.pipelines import WIDTH, new_unet

LAYERS, ROWS, WORDS = 16, 2, 5


@pytest.fixture
def unet() -> Any:
    """A UNet of Stable Diffusion's topology, frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return new_unet().requires_grad_(False).eval()


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ask(unet: Any, told: Any) -> Tensor:
    made: Tensor = unet(drawn(ROWS, 4, 8, 8), 500, encoder_hidden_states=told).sample
    return made


def layered(*, seed: int = 1) -> Layered:
    """Random states, another for every layer and either stream."""
    keys, values = drawn(2, LAYERS, ROWS, WORDS, WIDTH, seed=seed)
    return Layered(keys=keys, values=values)


def watch(unet: Any, part: str, note: Callable[[str, Tensor], None]) -> None:
    """Note what a part of each cross-attention layer (`to_k`, `to_v`) is given."""
    for name, module in unet.named_modules():
        if name.endswith(f".attn2.{part}"):
            module.register_forward_pre_hook(
                lambda _, args, name=name: note(name.removesuffix(f".{part}"), args[0])
            )


def test_the_names_are_in_the_order_in_which_the_layers_run(unet: Any) -> None:
    ran: list[str] = []
    watch(unet, "to_k", lambda name, _: ran.append(name))
    ask(unet, drawn(ROWS, WORDS, WIDTH))
    assert len(ran) == LAYERS
    assert cross_attention_layers(unet) == tuple(ran)
    assert ran != [name for name, _ in unet.named_modules() if name.endswith(".attn2")]


def test_stable_diffusions_sixteen_layers_are_those_of_the_published_table() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    table = [
        *((f"down_blocks.0.attentions.{at}", 320) for at in range(2)),
        *((f"down_blocks.1.attentions.{at}", 640) for at in range(2)),
        *((f"down_blocks.2.attentions.{at}", 1280) for at in range(2)),
        ("mid_block.attentions.0", 1280),
        *((f"up_blocks.1.attentions.{at}", 1280) for at in range(3)),
        *((f"up_blocks.2.attentions.{at}", 640) for at in range(3)),
        *((f"up_blocks.3.attentions.{at}", 320) for at in range(3)),
    ]
    names = cross_attention_layers(unet)
    assert names == tuple(f"{prefix}.transformer_blocks.0.attn2" for prefix, _ in table)
    layers = [unet.get_submodule(name) for name in names]
    assert [layer.to_q.in_features for layer in layers] == [channels for _, channels in table]
    assert {layer.to_k.in_features for layer in layers} == {768}


@pytest.mark.parametrize("eager", [False, True])
def test_layers_that_are_told_the_same_draw_as_the_stock_unet(unet: Any, eager: bool) -> None:
    states = drawn(ROWS, WORDS, WIDTH)
    same = states.expand(LAYERS, -1, -1, -1)
    stock = ask(unet, states)
    with told_by_layer(unet, eager=eager):
        by_layer = ask(unet, Layered(keys=same, values=same))
        plain = ask(unet, states)
    # Outputs are of size 1; products in another order round otherwise.
    assert torch.allclose(by_layer, stock, rtol=0, atol=1e-6)
    assert torch.allclose(plain, stock, rtol=0, atol=1e-6)
    assert eager or torch.equal(plain, stock)
    assert (stock - ask(unet, drawn(ROWS, WORDS, WIDTH, seed=2))).abs().max() > 1e-3


def test_eager_attention_is_diffusers_own_eager_one(unet: Any) -> None:
    states = drawn(ROWS, WORDS, WIDTH)
    unet.set_attn_processor(AttnProcessor())
    stock = ask(unet, states)
    unet.set_attn_processor(EagerAttention())
    assert torch.allclose(ask(unet, states), stock, rtol=0, atol=1e-6)


def test_every_layer_makes_keys_and_values_of_its_own_states(unet: Any) -> None:
    states = layered()
    seen: dict[tuple[str, str], Tensor] = {}
    watch(unet, "to_k", lambda name, given: seen.update({(name, "k"): given}))
    watch(unet, "to_v", lambda name, given: seen.update({(name, "v"): given}))
    with told_by_layer(unet):
        ask(unet, states)
    for at, name in enumerate(cross_attention_layers(unet)):
        assert torch.equal(seen[name, "k"], states.keys[at])
        assert torch.equal(seen[name, "v"], states.values[at])


@pytest.mark.parametrize("stream", ["keys", "values"])
def test_what_one_layer_is_told_moves_that_layer_and_those_after_it(unet: Any, stream: str) -> None:
    changed = 6  # the mid block's, which a dictionary's order would put last
    asked: list[dict[str, Tensor]] = []
    watch(unet, "to_q", lambda name, given: asked[-1].update({name: given}))
    base = layered()
    both = {"keys": base.keys.clone(), "values": base.values.clone()}
    both[stream][changed] += 1
    with told_by_layer(unet):
        for states in (base, Layered(**both)):
            asked.append({})
            ask(unet, states)
    names = cross_attention_layers(unet)
    moved = [not torch.equal(asked[0][name], asked[1][name]) for name in names]
    assert moved == [at > changed for at in range(LAYERS)]


def test_states_are_cast_to_the_unets_arithmetic(unet: Any) -> None:
    half = unet.to(torch.bfloat16)
    states = layered()
    assert states.keys.dtype == torch.float32
    with told_by_layer(half):
        made = half(drawn(ROWS, 4, 8, 8).bfloat16(), 500, encoder_hidden_states=states).sample
    assert made.dtype == torch.bfloat16
    assert made.isfinite().all()


def test_processors_come_back_also_after_an_exception(unet: Any) -> None:
    for name, module in unet.named_modules():
        if name.endswith((".attn1", ".attn2")):
            module.set_processor(AttnProcessor())
    before = unet.attn_processors
    with told_by_layer(unet, eager=True):
        within = unet.attn_processors
        assert sum(isinstance(one, LayeredAttention) for one in within.values()) == LAYERS
        assert sum(isinstance(one, EagerAttention) for one in within.values()) == LAYERS
    assert _same(unet.attn_processors, before)
    with told_by_layer(unet):
        within = unet.attn_processors
        assert sum(isinstance(one, AttnProcessor2_0) for one in within.values()) == LAYERS
    with pytest.raises(KeyError), told_by_layer(unet):
        raise KeyError
    assert _same(unet.attn_processors, before)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and all(one[name] is other[name] for name in one)


@pytest.mark.parametrize("eager", [False, True])
def test_gradient_checkpointing_changes_no_gradient(unet: Any, eager: bool) -> None:
    ran: list[str] = []
    watch(unet, "to_k", lambda name, _: ran.append(name))
    # diffusers checkpoints in training mode only; there is no dropout in this UNet.
    unet.train()

    def gradients() -> tuple[Tensor, Tensor]:
        keys, values = (states.requires_grad_() for states in drawn(2, LAYERS, ROWS, WORDS, WIDTH))
        with told_by_layer(unet, eager=eager):
            ask(unet, Layered(keys=keys, values=values)).square().sum().backward()
        assert keys.grad is not None
        assert values.grad is not None
        return keys.grad, values.grad

    kept = gradients()
    assert len(ran) == LAYERS
    ran.clear()
    unet.enable_gradient_checkpointing()
    recomputed = gradients()
    assert len(ran) == 2 * LAYERS
    for one, other in zip(kept, recomputed, strict=True):
        assert (one.abs().amax(dim=(1, 2, 3)) > 0).all()
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)


def test_two_streams_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(16, 2, 5, 16\) and \(16, 2, 4, 16\)"):
        Layered(keys=drawn(16, 2, 5, 16), values=drawn(16, 2, 4, 16))
