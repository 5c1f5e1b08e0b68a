"""Claims about seeing that two photos are one shot, and that two similar ones are not."""

import io
import itertools
from collections.abc import Callable

import pytest
from PIL import Image, ImageEnhance, ImageOps

from pdst.lookalikes import Likeness, align, alignable, compare, look
from tests.releases import picture

SCENE = picture("scene", (400, 300))


def aligned(one: Image.Image, other: Image.Image, *, zoom: bool = True) -> Likeness | None:
    return align(alignable(look(one)), alignable(look(other)), zoom=zoom)


def recoded(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_equal_pixels_are_one_shot() -> None:
    likeness = compare(look(SCENE), look(SCENE.copy()))
    assert likeness == Likeness(sure=True, how="their pixels are equal")


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: recoded(image, 40),
        lambda image: image.resize((200, 150)),
        lambda image: image.resize((1000, 750)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: image.convert("L").convert("RGB"),
        ImageOps.mirror,
        lambda image: recoded(ImageOps.mirror(image), 40),
    ],
)
def test_an_edited_copy_is_one_shot_by_its_hash(
    edit: Callable[[Image.Image], Image.Image],
) -> None:
    likeness = compare(look(SCENE), look(edit(SCENE)))
    assert likeness is not None
    assert likeness.sure


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shift", [(60, 0), (0, 60), (100, 40)])
def test_a_shifted_copy_is_one_shot_by_alignment(shift: tuple[int, int], mirror: bool) -> None:
    x, y = shift
    one = SCENE.crop((0, 0, 400 - x, 300 - y))
    other = SCENE.crop((x, y, 400, 300))
    likeness = aligned(one, ImageOps.mirror(other) if mirror else other, zoom=False)
    assert likeness is not None
    assert likeness.sure
    assert ("mirrored" in likeness.how) == mirror


@pytest.mark.parametrize("share", [0.6, 0.7, 0.8, 0.9])
def test_a_cropped_copy_is_found_only_with_zoom(share: float) -> None:
    left, top = round(400 * (1 - share) / 3), round(300 * (1 - share) / 2)
    part = SCENE.crop((left, top, left + round(400 * share), top + round(300 * share)))
    for one, other in ((SCENE, part), (part, SCENE)):
        likeness = aligned(one, other.resize((400, 300)))
        assert likeness is not None
        assert "zoomed" in likeness.how
    assert aligned(SCENE, part, zoom=False) is None


def test_different_pictures_are_not_alike() -> None:
    views = [look(picture(f"other {index}", (400, 300))) for index in range(12)]
    for one, other in itertools.combinations(views, 2):
        assert compare(one, other) is None
        assert align(alignable(one), alignable(other), zoom=False) is None


def test_pictures_without_structure_are_not_aligned() -> None:
    grey, lighter = Image.new("RGB", (300, 300), "grey"), Image.new("RGB", (300, 200), "white")
    assert aligned(grey, lighter) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 2), (7, 7)])
def test_odd_shapes_are_compared_without_complaint(size: tuple[int, int]) -> None:
    odd = picture("odd", size)
    compare(look(odd), look(SCENE))
    aligned(odd, SCENE)
    aligned(odd, odd)
