from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tiny import built, configured
from tiny_task import tiny_config
from torch import Tensor

from attncli.training.optimizers import OPTIMIZERS, build_optimizer


def adam(
    weight: Tensor,
    gradients: Sequence[Tensor],
    *,
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    decay: float = 0.0,
) -> Tensor:
    """Kingma and Ba 2015, algorithm 1, with the decay of Loshchilov and Hutter 2019, algorithm 2."""
    mean = square = torch.zeros_like(weight)
    for step, gradient in enumerate(gradients, start=1):
        weight = weight * (1 - rate * decay)
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        root = (square / (1 - betas[1] ** step)).sqrt() + epsilon
        weight = weight - rate * (mean / (1 - betas[0] ** step)) / root
    return weight


def momentum(weight: Tensor, gradients: Sequence[Tensor], *, rate: float, share: float) -> Tensor:
    step = torch.zeros_like(weight)
    for gradient in gradients:
        step = share * step + gradient
        weight = weight - rate * step
    return weight


FIRST = torch.tensor([1.0, -2.0, 0.5])
GRADIENTS = [torch.tensor([0.3, -0.1, 2.0]), torch.tensor([-0.2, 0.4, 1.0]), torch.tensor([0.1, 0.1, -3.0])]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"kind": "adam", "betas": [0.8, 0.95], "epsilon": 0.01},
            adam(FIRST, GRADIENTS, rate=0.1, betas=(0.8, 0.95), epsilon=0.01),
        ),
        (
            {"kind": "adamw", "weight_decay": 0.2},
            adam(FIRST, GRADIENTS, rate=0.1, betas=(0.9, 0.999), epsilon=1e-8, decay=0.2),
        ),
        ({"kind": "sgd"}, momentum(FIRST, GRADIENTS, rate=0.1, share=0.0)),
        ({"kind": "sgd", "momentum": 0.7}, momentum(FIRST, GRADIENTS, rate=0.1, share=0.7)),
    ],
)
def test_steps_follow_the_definition(settings: dict[str, Any], expected: Tensor) -> None:
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(FIRST.clone())
    model.fixed = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = build_optimizer(tiny_config(optimizer=settings, learning_rate=0.1), model)
    for gradient in GRADIENTS:
        model.weight.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(model.fixed, torch.ones(2))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_runs_as_one_kernel(kind: str) -> None:
    optimizer = build_optimizer(tiny_config(optimizer={"kind": kind}), torch.nn.Linear(2, 3))
    assert optimizer.defaults["fused"]


@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_the_output_layer_learns_at_its_own_rate(tied: str) -> None:
    model = built(f"model.tied_embeddings={tied}", "model.embedding_size=8")
    config = configured("training.output_rate_factor=2.5").training
    groups = {group["factor"]: group["params"] for group in build_optimizer(config, model).param_groups}
    assert set(groups) == {1.0, 2.5}
    output = model.decoder.output.classify
    assert {id(parameter) for parameter in groups[2.5]} == {id(output.weight), id(output.bias)}
    assert sum(map(len, groups.values())) == len(list(model.parameters()))
    [group] = build_optimizer(configured("training.output_rate_factor=1").training, model).param_groups
    assert group["factor"] == 1.0


@pytest.mark.parametrize(("tied", "factors"), [("none", {1.0, 3.0}), ("target", {1.0}), ("all", {1.0})])
def test_the_output_layer_learns_faster_by_default_unless_it_is_tied(tied: str, factors: set[float]) -> None:
    changes = (f"model.tied_embeddings={tied}", "model.embedding_size=8")
    optimizer = build_optimizer(configured(*changes).training, built(*changes))
    assert {group["factor"] for group in optimizer.param_groups} == factors


def test_a_part_may_learn_at_a_share_of_the_rate() -> None:
    slow, fast = torch.nn.Linear(2, 3), torch.nn.Linear(3, 4)
    slow.rate_factor = 0.1  # type: ignore[assignment]
    slow.bias.requires_grad_(False)
    optimizer = build_optimizer(tiny_config(), torch.nn.Sequential(slow, fast))
    found = {group["factor"]: [parameter.shape for parameter in group["params"]] for group in optimizer.param_groups}
    assert found == {0.1: [(3, 2)], 1.0: [(4, 3), (4,)]}
