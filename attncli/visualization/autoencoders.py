"""Figures of autoencoders: reconstructions, a walk in the code, the first layer's weights, codes of two numbers.

N examples, D components, K width of the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from attncli.config.tasks.autoencoding import GaussianNoise, Masking, PictureData
from attncli.drawing.figures import COLOURS, GREY, MARKERS, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.errors import escaped
from attncli.evaluation.pca import PCA
from attncli.models.corruption import build_corruption
from attncli.runs.autoencoding import AutoencoderRun
from attncli.sources.rows.examples import Examples

_CELL = 0.9  # inches of an image
_STEPS = 9  # images of a walk, both ends included
_MOST_WEIGHTS = 64  # of the first layer, that are drawn
_MOST_GROUPS = len(COLOURS)


def reconstructions_figure(
    run: AutoencoderRun, shown: Sequence[Tensor], *, pca: PCA, corruption: GaussianNoise | Masking | None
) -> Figure:
    """Return a column for each of `shown` [D]: the image, what was seen of it, its reconstruction, and that of PCA.

    PCA has as many directions as the bottleneck of `run` has units, and sees the same corrupted image.
    """
    rows = torch.stack(list(shown))
    seen, kinds = rows, ["input"]
    grid = [rows]
    if corruption is not None:
        seen = build_corruption(corruption)(rows, torch.Generator().manual_seed(run.config.evaluation.seed))
        grid.append(seen)
        kinds.append(f"seen ({corruption.kind})")
    width = run.config.model.narrowest
    grid += [run.reconstruct(seen), pca.reconstruct(seen, width).float()]
    kinds += ["autoencoder", f"PCA of {min(width, pca.directions.shape[1])}"]
    return _image_grid(run, grid, kinds, title=f"{run.name}: reconstructions through {width} numbers")


def walk_figure(run: AutoencoderRun, first: Tensor, last: Tensor) -> Figure:
    """Return the way from `first` [D] to `last` [D] in the code, and for contrast the mixture of their pixels."""
    shares = torch.linspace(0, 1, _STEPS)[:, None]
    ends = torch.stack((first, last))
    codes = run.encode(ends)
    walked = run.decode(codes[:1] * (1 - shares) + codes[1:] * shares)
    mixed = ends[:1] * (1 - shares) + ends[1:] * shares
    return _image_grid(run, [walked, mixed], ["in the code", "in pixels"], title=f"{run.name}: from one to another")


def weights_figure(run: AutoencoderRun) -> Figure:
    """Return the weights of each unit of a dense first layer as an image, grey where 0; the largest come first."""
    (first, *_) = (module for module in run.model.encoder.modules() if isinstance(module, torch.nn.Linear))
    weights = first.weight.detach().cpu()  # [units, D]
    order = weights.norm(dim=1).argsort(descending=True)[:_MOST_WEIGHTS]
    chosen = weights[order]
    # Each to its own scale, so that the shape of small ones is visible.
    scaled = 0.5 + 0.5 * chosen / chosen.abs().amax(1, keepdim=True).clamp(min=1e-12)
    columns = 8 if len(scaled) <= 32 else 16
    of = "" if len(scaled) == len(weights) else f" (the {len(scaled)} largest of {len(weights)})"
    rows = [scaled[start : start + columns] for start in range(0, len(scaled), columns)]
    return _image_grid(run, rows, [""] * len(rows), title=f"{run.name}: weights of the first layer{of}")


def code_figure(run: AutoencoderRun, examples: Examples) -> Figure:
    """Return the codes of `examples`, of two numbers each, as points; those of one folder have one colour."""
    codes = torch.cat([run.encode(rows) for rows in examples.chunks(4096)]).numpy()
    groups = np.array([escaped(str(PurePosixPath(name).parent)) for name in examples.names])
    names = sorted(set(groups))
    if len(names) > _MOST_GROUPS:
        names, groups = ["."], np.full(len(groups), ".")
    figure = new_figure(6.0, 5.6)
    axes = figure.subplots()
    for number, name in enumerate(names):
        chosen = codes[groups == name]
        marker = MARKERS[number % len(MARKERS)]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=12, color=COLOURS[number], marker=marker, alpha=0.6, label=f" {name}"
        )
    axes.set_xlabel("first number of the code", color=GREY)
    axes.set_ylabel("second number of the code", color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    families = list(fonts_for([run.name, *names]).families)
    if len(names) > 1:
        axes.legend(fontsize=9, prop={"family": families})
    title = f"{run.name}: codes of {len(codes):,} {run.config.data.kind}"
    axes.set_title(title, loc="left", fontsize=11, parse_math=False, fontfamily=families)
    return figure


def _image_grid(run: AutoencoderRun, rows: Sequence[Tensor], labels: Sequence[str], *, title: str) -> Figure:
    """Return images in rows, [columns, D] each, with a label to the left of each row."""
    data = run.config.data
    assert isinstance(data, PictureData)
    columns = max(map(len, rows))
    label_width = 1.3 if any(labels) else 0.0
    width, height = label_width + _CELL * columns, _CELL * len(rows) * data.height / data.width
    figure = new_figure(width, height + 0.4)
    grid = figure.subplots(
        len(rows),
        columns,
        squeeze=False,
        gridspec_kw={
            "left": label_width / width,
            "right": 1,
            "bottom": 0,
            "top": height / (height + 0.4),
            "hspace": 0.06,
            "wspace": 0.06,
        },
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes_row, row, label in zip(grid, rows, labels, strict=True):
        for axes, picture in zip(axes_row, row, strict=False):
            axes.imshow(_pixels(picture, data), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes_row[0].text(-0.12, 0.5, label, transform=axes_row[0].transAxes, ha="right", va="center", fontsize=10)
    families = list(fonts_for([title]).families)
    figure.suptitle(title, x=0, y=1, ha="left", va="top", fontsize=11, parse_math=False, fontfamily=families)
    return figure


def _pixels(picture: Tensor, data: PictureData) -> np.ndarray[Any, np.dtype[Any]]:
    """Return `picture` [D] as rows of pixels, with three colours if it has them."""
    pixels = picture.clamp(0, 1).reshape(data.channels, data.height, data.width).numpy()
    return pixels.transpose(1, 2, 0) if data.colour else pixels[0]
