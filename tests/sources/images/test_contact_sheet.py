"""Contact sheets: images in a grid with their captions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attncli.drawing.fonts import fonts_for
from attncli.sources.images.contact_sheet import MOST, Captioned, contact_sheets

LONG = "a small purple triangle left of a large green star below a small black cross"


def sheets(*shown: Captioned) -> list[Figure]:
    return contact_sheets(shown, fonts_for(each.caption for each in shown))


def test_pages_are_full_but_for_the_last() -> None:
    shown = [Captioned(Image.new("RGB", (8, 8)), str(number)) for number in range(MOST + 3)]
    assert [[text.get_text() for text in page.texts] for page in sheets(*shown)] == [
        [str(number) for number in range(MOST)],
        [str(number) for number in range(MOST, MOST + 3)],
    ]


def test_images_keep_their_aspect_and_their_pixels() -> None:
    sizes = [(40, 30), (30, 50), (64, 64), (90, 10), (20, 30)]
    images = [Image.effect_noise(size, 60).convert("RGB") for size in sizes]
    [page] = sheets(*(Captioned(image, LONG) for image in images))
    for axes, image in zip(page.axes, images, strict=True):
        box = axes.get_window_extent()
        assert box.width / box.height == pytest.approx(image.width / image.height)
        assert (np.asarray(axes.images[0].get_array()) == np.asarray(image)).all()


def test_captions_are_whole_and_lie_below_their_image_over_nothing_else() -> None:
    captions = [LONG, "a dog", LONG.replace(" ", ""), LONG, LONG, "$2 and $3"]
    [page] = sheets(*(Captioned(Image.new("RGB", (30, 20 + number)), text) for number, text in enumerate(captions)))
    renderer = FigureCanvasAgg(page).get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's is untyped
    images = [axes.get_window_extent() for axes in page.axes]
    under: list[list[str]] = [[] for _ in captions]
    boxes = [text.get_window_extent(renderer) for text in page.texts]
    for text, box in zip(page.texts, boxes, strict=True):
        above = [at for at, image in enumerate(images) if abs(image.x0 - box.x0) < 4 and image.y0 > box.y1]
        under[min(above, key=lambda at: images[at].y0)].append(text.get_text())
    assert ["".join(lines).replace(" ", "") for lines in under] == [text.replace(" ", "") for text in captions]
    for at, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in [*images, *boxes[at + 1 :]])
        assert box.x0 >= -3
        assert box.x1 <= page.bbox.x1 + 1
