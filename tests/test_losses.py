"""Claims about the losses: closed forms, a plain float64 Eq. (5), and which way gradients point."""

import math
from typing import Literal, TypeAlias

import pytest
import torch
from torch import Tensor

from pdst.diffusion.losses import Contrast, info_nce, masked_mse

Form: TypeAlias = Literal["pooled", "per_anchor"]
FORMS: tuple[Form, ...] = ("pooled", "per_anchor")

TABLE = 5e-4
"""METHODS 3.5 prints three digits."""

ROUNDING = 1e-5
"""Float32 sums of a few hundred terms, against float64."""


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def at_cosine(cosine: float) -> Tensor:
    """One vector in a plane at that cosine from (1, 0)."""
    return torch.tensor([cosine, math.sqrt(1 - cosine**2)])


def equation_5(subjects: Tensor, attractors: Tensor, temperature: float) -> float:
    """The paper's ratio of sums, term by term, in float64."""
    v, a = subjects.double().tolist(), attractors.double().tolist()
    positive = negative = 0.0
    for i, anchor in enumerate(v):
        for j, other in enumerate(v):
            if i != j:
                positive += math.exp(dot(anchor, other) / temperature)
        for attractor in a:
            negative += math.exp(dot(anchor, attractor) / temperature)
    return -math.log(positive / (positive + negative))


def dot(left: list[float], right: list[float]) -> float:
    return sum(x * y for x, y in zip(left, right, strict=True))


# --- masked error --------------------------------------------------------------------------------


def test_errors_outside_the_mask_do_not_count() -> None:
    # Two channels of 2 x 2; the mask keeps the left column, where errors are 1, 3 and 0, 2.
    predicted = torch.tensor([[[[1.0, 9.0], [3.0, 9.0]], [[0.0, 9.0], [2.0, 9.0]]]])
    mask = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    zero = torch.zeros_like(predicted)
    # 1 + 9 + 0 + 4 = 14, over 8 elements, or over 2 channels x 2 cells.
    assert masked_mse(predicted, zero, mask).tolist() == [14 / 8]
    assert masked_mse(predicted, zero, mask, norm="area").tolist() == [14 / 4]


def test_a_soft_mask_scales_the_error_before_it_is_squared() -> None:
    error, half = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 0.5)
    assert masked_mse(error, torch.zeros_like(error), half).tolist() == [1.0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_no_mask_is_a_mask_of_ones_to_the_last_bit(layout: torch.memory_format) -> None:
    predicted = normal(3, 4, 12, 12, seed=1).to(memory_format=layout)
    target = normal(3, 4, 12, 12, seed=2)
    without = masked_mse(predicted, target, None)
    assert torch.equal(without, masked_mse(predicted, target, torch.ones(3, 1, 12, 12)))
    assert without.shape == (3,)


def test_without_a_mask_the_area_is_every_element() -> None:
    predicted, target = normal(2, 4, 8, 8, seed=1), normal(2, 4, 8, 8, seed=2)
    whole = masked_mse(predicted, target, None)
    assert torch.equal(masked_mse(predicted, target, None, norm="area"), whole)
    by_area = masked_mse(predicted, target, torch.ones(2, 1, 8, 8), norm="area")
    assert by_area.tolist() == pytest.approx(whole.tolist(), rel=1e-6)


def test_subject_and_background_errors_add_up_to_the_whole() -> None:
    predicted, target = normal(2, 4, 8, 8, seed=1), normal(2, 4, 8, 8, seed=2)
    subject = (normal(2, 1, 8, 8, seed=3) > 0.4).float()
    parts = masked_mse(predicted, target, subject) + masked_mse(predicted, target, 1 - subject)
    assert parts.tolist() == pytest.approx(masked_mse(predicted, target, None).tolist(), rel=1e-6)


def test_by_area_a_small_subject_weighs_as_much_as_a_large_one() -> None:
    error = torch.full((2, 4, 8, 8), 3.0)
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, 0, 0, 0] = 1
    mask[1, 0, :4] = 1
    zero = torch.zeros_like(error)
    assert masked_mse(error, zero, mask, norm="area").tolist() == [9.0, 9.0]
    assert masked_mse(error, zero, mask).tolist() == [9.0 / 64, 9.0 / 2]


@pytest.mark.parametrize("norm", ["elements", "area"])
def test_an_empty_mask_is_a_zero_without_gradient(norm: Literal["elements", "area"]) -> None:
    predicted = normal(1, 4, 8, 8).requires_grad_()
    loss = masked_mse(predicted, torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 8, 8), norm=norm)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.tolist() == [0.0]
    assert predicted.grad is not None
    assert not predicted.grad.any()


def test_half_precision_is_computed_in_single() -> None:
    # 300 squared is 90,000, above float16's largest, 65,504.
    predicted = torch.full((1, 4, 2, 2), 300.0, dtype=torch.float16)
    loss = masked_mse(predicted, torch.zeros_like(predicted), None)
    assert loss.dtype == torch.float32
    assert loss.tolist() == [90_000.0]


@pytest.mark.parametrize(
    ("target", "mask", "message"),
    [
        ((2, 4, 8, 9), None, r"two \(B, C, h, w\) tensors of one shape"),
        ((2, 4, 8, 8), (2, 8, 8), r"a mask of \(2, 1, 8, 8\), got \(2, 8, 8\)"),
        ((2, 4, 8, 8), (1, 1, 8, 8), r"a mask of \(2, 1, 8, 8\), got \(1, 1, 8, 8\)"),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(
    target: tuple[int, ...], mask: tuple[int, ...] | None, message: str
) -> None:
    given = None if mask is None else torch.zeros(mask)
    with pytest.raises(ValueError, match=message):
        masked_mse(torch.zeros(2, 4, 8, 8), torch.zeros(target), given)


# --- contrast ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temperature", "cosine", "loss"),
    [
        (0.07, 0.95, 0.477),
        (0.07, 0.7, 0.017),
        (0.07, 0.0, 0.0000),
        (0.5, 0.95, 0.757),
        (0.5, 0.7, 0.522),
        (0.5, 0.0, 0.156),
    ],
)
def test_five_identical_subjects_have_the_tabled_loss(
    temperature: float, cosine: float, loss: float
) -> None:
    subjects, attractors = at_cosine(1).expand(5, 2), at_cosine(cosine).expand(5, 2)
    for form in FORMS:  # all anchors are alike
        made = info_nce(subjects, attractors, temperature=temperature, form=form)
        assert made.loss.item() == pytest.approx(loss, abs=TABLE)
        # 20 positive pairs, 25 negative: log(1 + 25/20 exp((cosine - 1) / temperature)).
        closed = math.log1p(25 / 20 * math.exp((cosine - 1) / temperature))
        assert made.loss.item() == pytest.approx(closed, abs=ROUNDING)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
@pytest.mark.parametrize(("v", "a"), [(2, 1), (5, 5), (3, 7)])
def test_pooled_raw_products_are_equation_5(v: int, a: int, temperature: float) -> None:
    subjects, attractors = normal(v, 16, seed=3) / 4, normal(a, 16, seed=4) / 4
    made = info_nce(subjects, attractors, temperature=temperature, normalize=False)
    expected = equation_5(subjects, attractors, temperature)
    assert made.loss.item() == pytest.approx(expected, rel=ROUNDING)


def test_cosines_are_equation_5_of_unit_vectors() -> None:
    subjects, attractors = normal(4, 16, seed=3), normal(3, 16, seed=4)
    made = info_nce(subjects * 11, attractors * 0.2, temperature=0.5)
    unit_v = subjects / subjects.norm(dim=1, keepdim=True)
    unit_a = attractors / attractors.norm(dim=1, keepdim=True)
    assert made.loss.item() == pytest.approx(equation_5(unit_v, unit_a, 0.5), rel=ROUNDING)


def test_per_anchor_is_the_mean_of_each_subjects_own_loss() -> None:
    # Along one axis: 1, 2, 3, attractor 1, so products are plain. Anchor 1: positives 2, 3,
    # negative 1; anchor 2: 2, 6 and 2; anchor 3: 3, 6 and 3.
    subjects = torch.tensor([[1.0], [2.0], [3.0]])
    own = [
        math.log1p(math.exp(negative) / sum(math.exp(value) for value in positives))
        for positives, negative in [((2, 3), 1), ((2, 6), 2), ((3, 6), 3)]
    ]
    made = info_nce(subjects, torch.ones(1, 1), temperature=1.0, normalize=False, form="per_anchor")
    assert made.loss.item() == pytest.approx(sum(own) / 3, rel=ROUNDING)


def test_similarities_are_reported_before_the_temperature() -> None:
    # Subjects at 0 and 90 degrees; the attractor is the first.
    subjects = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    made = info_nce(subjects, torch.tensor([[3.0, 0.0]]), temperature=0.07)
    assert (made.positive, made.negative, made.pairs) == (0.0, 0.5, 2)
    raw = info_nce(subjects, torch.tensor([[3.0, 0.0]]), normalize=False)
    assert (raw.positive, raw.negative) == (0.0, 1.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("normalize", [True, False])
def test_a_step_down_moves_subject_and_attractor_apart(normalize: bool, form: Form) -> None:
    # Subjects are alike, so that nothing but the attractor turns them.
    pair = [at_cosine(1).repeat(3, 1).requires_grad_(), at_cosine(0.9).repeat(2, 1)]
    pair[1].requires_grad_()
    before = info_nce(*pair, temperature=0.5, normalize=normalize, form=form)
    moved = torch.autograd.grad(before.loss, pair)
    for which in range(2):
        stepped = [values.detach() for values in pair]
        stepped[which] = stepped[which] - 0.1 * moved[which]
        cosines = torch.cosine_similarity(stepped[0][0], stepped[1][0], dim=0)
        assert cosines < 0.9 - 1e-3
        after = info_nce(*stepped, temperature=0.5, normalize=normalize, form=form)
        assert after.loss < before.loss


@pytest.mark.parametrize("normalize", [True, False])
def test_unlike_subjects_are_drawn_to_each_other(normalize: bool) -> None:
    subjects = torch.eye(3)[:2].requires_grad_()
    attractors = torch.tensor([[0.0, 0.0, 1.0]])
    before = info_nce(subjects, attractors, temperature=0.5, normalize=normalize)
    (moved,) = torch.autograd.grad(before.loss, [subjects])
    after = info_nce(subjects.detach() - 0.1 * moved, attractors, normalize=normalize)
    assert before.positive == 0
    assert after.positive is not None
    assert float(after.positive) > 1e-3


def test_autocast_and_half_precision_inputs_are_computed_in_single() -> None:
    subjects, attractors = normal(4, 768, seed=3).half(), normal(3, 768, seed=4).half()
    alone = info_nce(subjects.float(), attractors.float(), normalize=False)
    with torch.autocast("cpu", torch.bfloat16):
        made = info_nce(subjects, attractors, normalize=False)
    assert made.loss.dtype == torch.float32
    assert torch.equal(made.loss, alone.loss)
    assert (made.positive, made.negative) == (alone.positive, alone.negative)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_samples_does_not_matter(form: Form) -> None:
    subjects, attractors = normal(5, 8, seed=7), normal(4, 8, seed=8)
    made = info_nce(subjects, attractors, form=form).loss.item()
    mixed = info_nce(subjects[[3, 0, 4, 2, 1]], attractors[[2, 3, 1, 0]], form=form).loss.item()
    assert mixed == pytest.approx(made, rel=ROUNDING)
    other = info_nce(subjects[:4], attractors, form=form).loss.item()
    assert other != pytest.approx(made, rel=ROUNDING)


@pytest.mark.parametrize("form", FORMS)
def test_raw_products_of_clips_size_do_not_overflow(form: Form) -> None:
    # Squared norms of about 768: exponents near 11,000, where float32 ends at 88.
    subjects = normal(5, 768, seed=9).requires_grad_()
    attractors = (3 * normal(5, 768, seed=10)).requires_grad_()
    for theirs in (attractors, subjects.detach().clone().requires_grad_()):
        made = info_nce(subjects, theirs, normalize=False, form=form)
        gradients = torch.autograd.grad(made.loss, [subjects, theirs])
        assert made.loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert made.loss > 0


@pytest.mark.parametrize("form", FORMS)
def test_layers_are_contrasted_apart_and_averaged(form: Form) -> None:
    subjects, attractors = normal(4, 3, 8, seed=11), normal(4, 2, 8, seed=12)
    made = info_nce(subjects, attractors, temperature=0.5, form=form)
    apart = [
        info_nce(ours, theirs, temperature=0.5, form=form)
        for ours, theirs in zip(subjects, attractors, strict=True)
    ]
    assert made.loss.item() == pytest.approx(mean(apart, "loss"), rel=ROUNDING)
    assert made.positive == pytest.approx(mean(apart, "positive"), abs=ROUNDING)
    assert made.negative == pytest.approx(mean(apart, "negative"), abs=ROUNDING)
    assert made.pairs == 6


def mean(made: list[Contrast], name: str) -> float:
    return sum(float(getattr(one, name)) for one in made) / len(made)


@pytest.mark.parametrize("layers", [(), (4,)])
@pytest.mark.parametrize(("v", "a"), [(1, 3), (0, 3), (3, 0)])
def test_too_few_vectors_give_a_zero_that_can_be_trained_on(
    v: int, a: int, layers: tuple[int, ...]
) -> None:
    subjects = normal(*layers, v, 8).requires_grad_()
    attractors = normal(*layers, a, 8).requires_grad_()
    made = info_nce(subjects, attractors)
    made.loss.backward()  # type: ignore[no-untyped-call]
    assert made.loss.item() == 0
    assert (made.positive, made.negative, made.pairs) == (None, None, 0)
    for values in (subjects, attractors):
        assert values.grad is not None
        assert not values.grad.any()


@pytest.mark.parametrize(
    ("subjects", "attractors"),
    [((3, 8), (3, 9)), ((3, 8), (2, 3, 8)), ((2, 3, 8), (4, 3, 8)), ((8,), (8,))],
)
def test_vectors_that_do_not_fit_are_an_error(
    subjects: tuple[int, ...], attractors: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"info_nce needs \(V, D\) subjects"):
        info_nce(torch.zeros(subjects), torch.zeros(attractors))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_cannot_divide_is_an_error(temperature: float) -> None:
    with pytest.raises(ValueError, match="wanted a number above 0"):
        info_nce(normal(2, 8), normal(2, 8), temperature=temperature)
