"""The output layer for inference, whose weights are packed, against the layer that it is made of.

N=1, 5 or 70 rows, R=9 width of the readout, V=23 entries of the vocabulary.
"""

from __future__ import annotations

import pickle
from unittest.mock import Mock

import pytest
import torch
from tiny import built, tokens
from torch import nn

from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.readouts import OutputLayer, PackedLinear, with_packed_output

SOURCE = tokens([4, 5, 6], [7])
HAS_ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
needs_onednn = pytest.mark.skipif(not HAS_ONEDNN, reason="this torch has no oneDNN")


def output_layer(*, tied: bool) -> OutputLayer:
    torch.manual_seed(1)
    return OutputLayer(9, nn.Embedding(23, 7), tied=tied)


@needs_onednn
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rows", [1, 5, 70])
def test_packed_weights_give_the_same_logits(rows: int, tied: bool) -> None:
    layer, readout = output_layer(tied=tied), torch.randn(rows, 9)
    found = with_packed_output(layer)
    assert isinstance(found.packed, PackedLinear)
    expected = layer.project(readout).double() @ layer.classify.weight.double().t() + layer.classify.bias
    torch.testing.assert_close(found(readout).double(), expected, atol=1e-5, rtol=1e-5)


@needs_onednn
def test_another_process_gets_packed_weights() -> None:
    layer, readout = with_packed_output(output_layer(tied=False)), torch.randn(5, 9)
    received = pickle.loads(pickle.dumps(layer))
    assert isinstance(received.packed, PackedLinear)
    assert torch.equal(received(readout), layer(readout))


@needs_onednn
def test_a_model_with_packed_weights_shares_all_others_and_leaves_it_as_it_is() -> None:
    model = built()
    packed = with_packed_output(model)
    own, shared = dict(model.named_parameters()), dict(packed.named_parameters())
    assert own.keys() == shared.keys()
    assert all(own[name] is shared[name] for name in own)
    assert model.decoder.output.packed is None
    assert set(packed.state_dict()) == set(model.state_dict())


@needs_onednn
def test_a_step_reads_the_packed_weights() -> None:
    packed = with_packed_output(built())
    before = step_of(packed)
    output = packed.decoder.output
    output.packed = Mock(wraps=output.packed)
    assert torch.equal(step_of(packed), before)
    output.packed.assert_called_once()


def step_of(model: EncoderDecoder) -> torch.Tensor:
    with torch.inference_mode():
        prepared = model.decoder.prepare(model.encode(SOURCE))
        return model.decoder.step(torch.tensor([1, 1]), model.decoder.start(prepared), prepared).logits


@needs_onednn
def test_other_precisions_are_left_as_they_are() -> None:
    assert with_packed_output(output_layer(tied=False).to(torch.bfloat16)).packed is None


def test_without_onednn_a_model_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer = output_layer(tied=False)
    assert with_packed_output(layer) is layer
