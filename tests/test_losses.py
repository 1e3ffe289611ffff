import pytest
import torch
from torch.nn import functional as F

from attncli.losses import cross_entropy

VOCABULARY = 11


def logits_and_targets(dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(2, 5, VOCABULARY, generator=generator)).to(dtype).requires_grad_()
    return logits, torch.tensor([[4, 9, 1, 3, 0], [10, 2, 0, 0, 0]])


def by_definition(logits, targets, smoothing):
    total = 0.0
    for row, target in zip(logits.reshape(-1, VOCABULARY).double(), targets.reshape(-1).tolist(), strict=True):
        if target != 0:
            log_probs = row - row.exp().sum().log()
            total += -(1 - smoothing) * log_probs[target] - smoothing * log_probs.mean()
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_total_and_gradient_follow_the_definition(smoothing):
    logits, targets = logits_and_targets()
    expected = by_definition(logits, targets, smoothing)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    loss = cross_entropy(logits, targets, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(2.5 * loss.total, logits)
    torch.testing.assert_close(loss.total, expected.float())
    torch.testing.assert_close(gradient, 2.5 * expected_gradient)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_total_is_that_of_torch(smoothing):
    logits, targets = logits_and_targets()
    expected = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=0, label_smoothing=smoothing, reduction="sum"
    )
    torch.testing.assert_close(cross_entropy(logits, targets, label_smoothing=smoothing).total, expected)


def test_negative_log_likelihood_has_no_smoothing_and_no_gradient():
    logits, targets = logits_and_targets()
    loss = cross_entropy(logits, targets, label_smoothing=0.3)
    torch.testing.assert_close(loss.negative_log_likelihood, by_definition(logits, targets, 0.0).float().detach())
    assert not loss.negative_log_likelihood.requires_grad


def test_tokens_are_the_real_targets():
    logits, targets = logits_and_targets()
    assert cross_entropy(logits, targets).tokens == 6
    assert cross_entropy(logits, targets, tokens=6).tokens == 6


def test_padding_gets_no_gradient():
    logits, targets = logits_and_targets()
    cross_entropy(logits, targets, label_smoothing=0.1).total.backward()
    assert (logits.grad[targets == 0] == 0).all()
    assert (logits.grad[targets != 0] != 0).all()


def test_bfloat16_logits_are_summed_in_float32():
    logits, targets = logits_and_targets(torch.bfloat16)
    loss = cross_entropy(logits, targets, label_smoothing=0.1)
    loss.total.backward()
    assert loss.total.dtype == torch.float32
    torch.testing.assert_close(loss.total, by_definition(logits, targets, 0.1).float())
    assert logits.grad.dtype == torch.bfloat16


def test_logits_are_left_as_they_are():
    logits, targets = logits_and_targets()
    before = logits.detach().clone()
    cross_entropy(logits, targets, label_smoothing=0.1).total.backward()
    assert torch.equal(logits, before)


def test_a_second_gradient_is_refused():
    logits, targets = logits_and_targets()
    total = cross_entropy(logits, targets).total
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="can be taken once"):
        total.backward()


def test_huge_logits_give_a_finite_loss():
    logits = torch.tensor([[1e30, 0.0, -1e30]], requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([1]), label_smoothing=0.0)
    loss.total.backward()
    assert loss.total == 1e30
    assert torch.equal(logits.grad, torch.tensor([[1.0, -1.0, 0.0]]))
