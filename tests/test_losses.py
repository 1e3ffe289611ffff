from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attncli.losses
from attncli.losses import SummedLoss, cross_entropy

POSITIONS, WIDTH, VOCABULARY = 6, 5, 11
Layer = tuple[Tensor, nn.Linear, Tensor]  # features, output layer, targets


def summed(features: Tensor, output: nn.Linear, targets: Tensor, *, label_smoothing: float = 0.0) -> SummedLoss:
    return cross_entropy(features, output, targets, label_smoothing=label_smoothing)[0]


@pytest.fixture(params=[1 << 22, 2 * VOCABULARY + 3], ids=["one chunk", "chunks of two"])
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Layer:
    monkeypatch.setattr(attncli.losses, "CHUNK", request.param)
    torch.manual_seed(1)
    features = (3 * torch.randn(POSITIONS, WIDTH)).requires_grad_()
    return features, nn.Linear(WIDTH, VOCABULARY), torch.tensor([4, 9, 1, 3, 10, 2])


def by_definition(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for row, target in zip(logits.double(), targets.tolist(), strict=True):
        log_probs = row - row.exp().sum().log()
        total = total - (1 - smoothing) * log_probs[target] - smoothing * log_probs.mean()
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_total_and_gradients_follow_the_definition(layer: Layer, smoothing: float) -> None:
    features, output, targets = layer
    inputs = (features, output.weight, output.bias)
    expected = by_definition(output(features), targets, smoothing)
    expected_gradients = torch.autograd.grad(2.5 * expected, inputs)
    loss = summed(features, output, targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss.total, expected.float())
    torch.testing.assert_close(torch.autograd.grad(2.5 * loss.total, inputs), expected_gradients)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_total_is_that_of_torch(layer: Layer, smoothing: float) -> None:
    features, output, targets = layer
    expected = F.cross_entropy(output(features), targets, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(summed(features, output, targets, label_smoothing=smoothing).total, expected)


def test_negative_log_likelihood_has_no_smoothing_and_no_gradient(layer: Layer) -> None:
    features, output, targets = layer
    loss = summed(features, output, targets, label_smoothing=0.3)
    expected = by_definition(output(features), targets, 0.0).float().detach()
    torch.testing.assert_close(loss.reported, expected)
    assert not loss.reported.requires_grad


def test_log_probs_are_those_of_each_target_without_smoothing_or_gradient(layer: Layer) -> None:
    features, output, targets = layer
    loss, log_probs = cross_entropy(features, output, targets, label_smoothing=0.3)
    expected = [-by_definition(output(features[i : i + 1]), targets[i : i + 1], 0.0) for i in range(POSITIONS)]
    torch.testing.assert_close(log_probs, torch.stack(expected).float().detach())
    assert not log_probs.requires_grad
    torch.testing.assert_close(loss.total, summed(features, output, targets, label_smoothing=0.3).total)


def test_terms_are_the_targets(layer: Layer) -> None:
    assert summed(*layer).terms == POSITIONS


def test_without_gradients_none_are_computed(layer: Layer) -> None:
    with torch.no_grad():
        assert not summed(*layer).total.requires_grad


def test_a_layer_without_bias_is_like_one_of_zeros(layer: Layer) -> None:
    features, output, targets = layer
    nn.init.zeros_(output.bias)
    bare = nn.Linear(WIDTH, VOCABULARY, bias=False)
    bare.weight = output.weight
    expected = torch.autograd.grad(summed(features, output, targets).total, (features, output.weight))
    found = torch.autograd.grad(summed(features, bare, targets).total, (features, bare.weight))
    torch.testing.assert_close(found, expected)


def test_under_autocast_products_are_bfloat16_and_sums_float32(layer: Layer) -> None:
    features, output, targets = layer
    expected = by_definition(output(features), targets, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = summed(features, output, targets, label_smoothing=0.1)
    torch.autograd.backward(loss.total)
    assert output.weight.grad is not None
    assert features.grad is not None
    assert loss.total.dtype == output.weight.grad.dtype == features.grad.dtype == torch.float32
    assert loss.total != expected.float()
    torch.testing.assert_close(loss.total, expected.float(), rtol=1e-2, atol=0.0)


def test_a_second_gradient_is_refused(layer: Layer) -> None:
    total = summed(*layer).total
    torch.autograd.backward(total, retain_graph=True)
    with pytest.raises(RuntimeError, match="can be taken once"):
        torch.autograd.backward(total)


def test_huge_logits_give_a_finite_loss() -> None:
    output = nn.Linear(1, 3, bias=False)
    output.weight.data = torch.tensor([[1.0], [0.0], [-1.0]])
    features = torch.tensor([[1e30]], requires_grad=True)
    loss = summed(features, output, torch.tensor([1]))
    torch.autograd.backward(loss.total)
    assert loss.total == 1e30
    assert features.grad is not None
    assert torch.equal(features.grad, torch.tensor([[1.0]]))
