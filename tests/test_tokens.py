"""Placeholders: a copy of the tokenizer knows them, and vectors stand in for their rows."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from pdst.diffusion.backbone import Backbone, load_backbone
from pdst.diffusion.tokens import (
    ATTRACTOR,
    PLACEHOLDER,
    Vocabulary,
    encode,
    initial_vector,
    vocabulary,
)
from pdst.errors import SettingsError
from tests.pipelines import WIDTH

BOTH = {PLACEHOLDER: 1, ATTRACTOR: 1}
PROMPTS = [
    f"a {PLACEHOLDER} of the {ATTRACTOR}.",
    f"the {ATTRACTOR} and a {PLACEHOLDER} and {PLACEHOLDER}",
]


@pytest.fixture(scope="module")
def backbone(pipeline_folder: Path) -> Backbone:
    return load_backbone(str(pipeline_folder), device="cpu")


@pytest.fixture(scope="module")
def words(backbone: Backbone) -> Vocabulary:
    return vocabulary(backbone, BOTH)


class Case(NamedTuple):
    """A text encoder, two prompts' ids, and vectors for both placeholders in each."""

    encoder: Any
    ids: Tensor
    subject: int
    attractor: int
    vectors: dict[int, Tensor]
    bypass: dict[int, Tensor]


@pytest.fixture(params=["flat", "nested"])
def case(request: pytest.FixtureRequest, backbone: Backbone, words: Vocabulary) -> Case:
    encoder = copy.deepcopy(backbone.text_encoder)
    if request.param == "nested":
        assert isinstance(encoder.config, CLIPTextConfig)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            encoder = CLIPTextModelWithProjection(encoder.config).requires_grad_(False).eval()
    assert hasattr(encoder, "text_model") == (request.param == "nested")
    (subject,), (attractor,) = words.ids[PLACEHOLDER], words.ids[ATTRACTOR]
    rng = torch.Generator().manual_seed(0)
    scale = encoder.get_input_embeddings().weight.std()
    drawn = torch.randn(4, 2, WIDTH, generator=rng) * scale
    return Case(
        encoder=encoder,
        ids=words.tokens(PROMPTS),
        subject=subject,
        attractor=attractor,
        vectors={subject: drawn[0], attractor: drawn[1]},
        bypass={subject: drawn[2], attractor: drawn[3]},
    )


def by_hand(case: Case) -> tuple[Tensor, Tensor]:
    """Text states, and hidden ones before the last norm, of tables that hold the vectors."""
    states, hidden = [], []
    for row, ids in enumerate(case.ids):
        wider = copy.deepcopy(case.encoder)
        old = wider.get_input_embeddings().weight
        new = [case.vectors[token][row] for token in sorted(case.vectors)]
        wider.set_input_embeddings(nn.Embedding.from_pretrained(torch.stack([*old, *new])))
        made = wider(input_ids=ids[None], output_hidden_states=True)
        states.append(made.last_hidden_state[0])
        hidden.append(made.hidden_states[-1][0])
    return torch.stack(states), torch.stack(hidden)


# The vocabulary


def test_a_vocabulary_leaves_the_backbones_tokenizer_as_it_is(backbone: Backbone) -> None:
    before, size = dict(backbone.tokenizer.get_vocab()), len(backbone.tokenizer)
    plain = backbone.tokens(PROMPTS)
    made = vocabulary(backbone, BOTH)
    assert backbone.tokenizer.get_vocab() == before
    assert torch.equal(backbone.tokens(PROMPTS), plain)
    assert made.ids == {PLACEHOLDER: (size,), ATTRACTOR: (size + 1,)}


def test_prompts_are_padded_and_cut_as_the_backbones(backbone: Backbone, words: Vocabulary) -> None:
    prompts = ["", "a dog.", "a dog " * 80]
    assert torch.equal(words.tokens(prompts), backbone.tokens(prompts))
    cut = words.tokens([f"a {PLACEHOLDER} " * 80])
    assert cut.shape == (1, 77)
    assert cut[0, -1] == backbone.tokenizer.eos_token_id
    assert (cut == words.ids[PLACEHOLDER][0]).sum() == 37  # of 75 places, every second


def test_several_vectors_have_a_token_each_as_diffusers_names_them(backbone: Backbone) -> None:
    made = vocabulary(backbone, {"<toy>": 3, "<dog>": 1})
    size = len(backbone.tokenizer)
    assert made.words("<toy>") == "<toy> <toy>_1 <toy>_2"
    assert made.words("<dog>") == "<dog>"
    assert made.ids == {"<toy>": (size, size + 1, size + 2), "<dog>": (size + 3,)}
    ids = made.tokens([f"a {made.words('<toy>')}, {made.words('<dog>')}."])[0]
    assert ids[ids >= size].tolist() == [size, size + 1, size + 2, size + 3]


@pytest.mark.parametrize(
    "name", ["<My-Dog>", "dog", "*", "<dog", "<>", "<a dog>", "<a><b>", "<toy>_1", "<|endoftext|>"]
)
def test_a_name_that_is_not_lower_case_in_angle_brackets_is_refused(
    backbone: Backbone, name: str
) -> None:
    with pytest.raises(SettingsError, match=r"wanted lower-case .* Rename it\."):
        vocabulary(backbone, {"<toy>": 2, name: 1})


@pytest.mark.parametrize("held", ["<toy>", "<toy>_2"])
def test_a_token_that_the_tokenizer_knows_is_refused(backbone: Backbone, held: str) -> None:
    tokenizer = copy.deepcopy(backbone.tokenizer)
    assert tokenizer.add_tokens([held]) == 1
    taken = replace(backbone, tokenizer=tokenizer)
    with pytest.raises(SettingsError, match=f"knows '{held}' already. Take another name."):
        vocabulary(taken, {"<toy>": 3})
    assert vocabulary(taken, {"<other>": 3})


@pytest.mark.parametrize("vectors", [0, -1])
def test_a_placeholder_without_a_vector_is_refused(backbone: Backbone, vectors: int) -> None:
    with pytest.raises(SettingsError, match=f"has {vectors} vectors, wanted 1 or more"):
        vocabulary(backbone, {PLACEHOLDER: vectors})


# The initial vector


def test_the_initial_vector_is_a_copy_of_the_words_row(backbone: Backbone) -> None:
    table = backbone.text_encoder.get_input_embeddings().weight
    (row,) = backbone.tokenizer("the", add_special_tokens=False).input_ids
    vector = initial_vector(backbone, "the")
    assert vector.dtype == torch.float32
    assert torch.equal(vector, table[row])
    vector.zero_()
    assert table[row].abs().sum() > 0


def test_a_word_of_several_tokens_is_refused_with_its_pieces(backbone: Backbone) -> None:
    with pytest.raises(SettingsError, match=r"is 2 tokens of small \(of</w> \+ the</w>\)"):
        initial_vector(backbone, "of the")
    with pytest.raises(SettingsError, match=r"is 0 tokens of small \(nothing\)"):
        initial_vector(backbone, "")


# The text encoder


def test_states_are_those_of_a_table_that_holds_the_vectors(case: Case) -> None:
    states, _ = by_hand(case)
    streams = encode(case.encoder, case.ids, case.vectors)
    assert streams.values is streams.keys
    assert streams.keys.dtype == torch.float32
    # The same arithmetic, but for one batch instead of two.
    assert torch.allclose(streams.keys, states, rtol=0, atol=1e-5)
    zeros = {token: torch.zeros_like(vector) for token, vector in case.vectors.items()}
    other = encode(case.encoder, case.ids, zeros)
    assert (other.keys - states).abs().max() > 0.1


def test_a_bypass_changes_the_values_at_its_token_only(case: Case) -> None:
    states, hidden = by_hand(case)
    bypass = {case.subject: case.bypass[case.subject]}
    streams = encode(case.encoder, case.ids, case.vectors, bypass, alpha=0.3)
    there = case.ids == case.subject
    assert there.sum(dim=1).tolist() == [1, 2]
    assert torch.equal(streams.values[~there], streams.keys[~there])
    assert (streams.values - streams.keys)[there].abs().amax(dim=-1).min() > 1e-2
    assert torch.allclose(streams.keys, states, rtol=0, atol=1e-5)

    core = getattr(case.encoder, "text_model", case.encoder)
    for row, at in there.nonzero().tolist():
        one, push = hidden[row, at], bypass[case.subject][row]
        moved = one + 0.3 * one.norm() * push / push.norm()
        expected = core.final_layer_norm(moved)
        assert torch.allclose(streams.values[row, at], expected, rtol=0, atol=1e-5)


def test_every_bypass_goes_to_its_own_token(case: Case) -> None:
    together = encode(case.encoder, case.ids, case.vectors, case.bypass)
    for token in case.vectors:
        there = case.ids == token
        alone = encode(case.encoder, case.ids, case.vectors, {token: case.bypass[token]})
        assert torch.equal(together.values[there], alone.values[there])
        assert (alone.values - alone.keys)[there].abs().amax(dim=-1).min() > 1e-2


def test_of_a_bypass_only_the_direction_counts(case: Case) -> None:
    once = encode(case.encoder, case.ids, case.vectors, case.bypass)
    longer = {token: 7 * vector for token, vector in case.bypass.items()}
    again = encode(case.encoder, case.ids, case.vectors, longer)
    assert torch.allclose(once.values, again.values, rtol=0, atol=1e-5)
    assert not torch.allclose(once.values, once.keys, rtol=0, atol=1e-2)


def test_a_token_is_told_of_those_before_it_and_of_none_after(case: Case) -> None:
    vectors = {token: vector.clone().requires_grad_() for token, vector in case.vectors.items()}
    bypass = {token: vector.clone().requires_grad_() for token, vector in case.bypass.items()}
    first = case.ids[0] == case.subject
    second = case.ids[0] == case.attractor
    assert first.nonzero().item() < second.nonzero().item()
    streams = encode(case.encoder, case.ids, vectors, bypass)
    subject, attractor = vectors[case.subject], vectors[case.attractor]
    loss = streams.keys[0, first].sum() + streams.values[0, first].pow(3).sum()
    earlier = torch.autograd.grad(
        loss, [subject, attractor, bypass[case.attractor]], retain_graph=True, allow_unused=True
    )
    assert earlier[0].abs().max() > 0
    assert all(one is None or not one.any() for one in earlier[1:])
    loss = streams.keys[0, second].pow(3).sum() + streams.values[0, second].pow(3).sum()
    later = torch.autograd.grad(loss, [subject, attractor, bypass[case.attractor]])
    for gradient in later:
        assert gradient[0].abs().max() > 0
        assert not gradient[1].any()  # the other prompt's


def test_the_table_stays_as_it_is(case: Case) -> None:
    table = case.encoder.get_input_embeddings()
    before = table.weight.clone()
    vectors = {token: vector.clone().requires_grad_() for token, vector in case.vectors.items()}
    encode(case.encoder, case.ids, vectors, case.bypass).values.pow(3).sum().backward()
    assert all(vector.grad is not None and vector.grad.any() for vector in vectors.values())
    assert case.encoder.get_input_embeddings() is table
    assert torch.equal(table.weight, before)
    assert table.weight.grad is None


def test_no_hook_is_left_behind(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def hooks() -> int:
        return sum(
            len(module._forward_hooks) + len(module._forward_pre_hooks)
            for module in case.encoder.modules()
        )

    before = hooks()
    encode(case.encoder, case.ids, case.vectors, case.bypass)
    assert hooks() == before
    core = getattr(case.encoder, "text_model", case.encoder)

    def fail(*_: object, **__: object) -> None:
        assert hooks() == before + 3
        raise KeyError("halfway")

    monkeypatch.setattr(core.encoder, "forward", fail)
    with pytest.raises(KeyError, match="halfway"):
        encode(case.encoder, case.ids, case.vectors, case.bypass)
    assert hooks() == before


def test_a_token_beyond_the_table_without_a_vector_is_an_error(case: Case) -> None:
    some = {case.subject: case.vectors[case.subject]}
    with pytest.raises(ValueError, match=rf"\[{case.attractor}\] lie beyond .* which has 1014"):
        encode(case.encoder, case.ids, some)


@pytest.mark.parametrize("where", ["vectors", "bypass"])
def test_vectors_of_another_shape_are_an_error(case: Case, where: str) -> None:
    one = {case.subject: torch.zeros(WIDTH)}
    vectors = {**case.vectors, **one} if where == "vectors" else case.vectors
    with pytest.raises(ValueError, match=r"are \(16,\), wanted \(2, 16\)"):
        encode(case.encoder, case.ids, vectors, one if where == "bypass" else None)


def test_prompts_without_a_placeholder_are_encoded_as_ever(
    backbone: Backbone, words: Vocabulary
) -> None:
    prompts = ["a dog of the", ""]
    streams = encode(backbone.text_encoder, words.tokens(prompts), {})
    assert torch.equal(streams.keys, backbone.text_states(prompts))
