"""The benchmark of what layers read and give: every number by a loop over its definition.

B=3 sources of S=2..5, targets of T=1..4.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from types import ModuleType

import pytest
import torch
from benchmark_modules import benchmark_module
from tiny import TINY, built
from torch import nn

from attncli.data.corpus import Batch
from attncli.data.tokens import Tokens
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.text.tokenizer import EOS

SOURCE = Tokens(torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, 0, 0], [10, EOS, 0, 0, 0]]), torch.tensor([5, 3, 2]))
TARGET = Tokens(torch.tensor([[4, EOS, 0, 0], [5, 6, 7, EOS], [EOS, 0, 0, 0]]), torch.tensor([2, 4, 1]))
BATCH = Batch(SOURCE, TARGET, size=17, terms=7)
STEPS = "{max_steps: 9, batch_sentences: 2, learning_rate: 0.01, schedule: {kind: constant}}"
TRANSFORMER = "{kind: transformer, hidden_size: 6, heads: 2, layers: 3, feed_forward_size: 7}"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_module("sizes")


def real(values: torch.Tensor, tokens: Tokens) -> list[list[float]]:
    """Return the values [B, T, ...] of all real positions, one after another."""
    return [values[b, t].flatten().tolist() for b in range(3) for t in range(int(tokens.lengths[b]))]


def root_mean_square(rows: list[list[float]]) -> float:
    return math.sqrt(statistics.fmean(value**2 for row in rows for value in row))


@torch.no_grad()
def test_sizes_of_a_recurrent_model(benchmark: ModuleType) -> None:
    model = built()
    found = benchmark.sizes(model, BATCH)
    model.eval()
    memory, forced = model.encode(SOURCE), model.force(SOURCE, TARGET)
    embedding = model.get_submodule("encoder.embedding")
    assert isinstance(embedding, nn.Embedding)
    words = real(6**0.5 * embedding.weight[SOURCE.ids], SOURCE)
    assert found.inputs == pytest.approx(root_mean_square(words))
    fused = model.get_submodule("encoder.forwards.0.layers.0")
    shares = torch.tensor(words) @ fused.weight_ih_l0.T  # type: ignore[operator]
    variances = [statistics.variance(column) for column in shares.T.tolist()]
    assert found.gates == pytest.approx(statistics.fmean(variances) ** 0.5, rel=1e-4)
    assert found.states == pytest.approx(root_mean_square(real(memory.states, SOURCE)))
    assert found.features == pytest.approx(root_mean_square(real(forced.features, TARGET)))
    logits = real(model.decoder.output(forced.features), TARGET)
    assert found.logits == pytest.approx(statistics.fmean(statistics.stdev(row) for row in logits))
    expected = model.loss(SOURCE, TARGET, label_smoothing=0.0)
    assert found.loss == pytest.approx(float(expected.total) / 7)


@torch.no_grad()
def test_scores_deviate_over_real_positions_as_the_logarithms_of_weights_do(benchmark: ModuleType) -> None:
    model = built()
    found = benchmark.sizes(model, BATCH)
    weights = model.eval().force(SOURCE, TARGET).weights
    assert weights is not None
    rows = [weights[b, t, : int(SOURCE.lengths[b])] for b in range(3) for t in range(int(TARGET.lengths[b]))]
    variances = [statistics.pvariance(row.log().tolist()) for row in rows]
    assert found.scores == pytest.approx(statistics.fmean(variances) ** 0.5, rel=1e-4)
    assert found.largest_weight == pytest.approx(statistics.fmean(max(row.tolist()) for row in rows))


@torch.no_grad()
def test_scores_of_a_transformer_are_those_of_all_heads_and_layers(benchmark: ModuleType) -> None:
    model = built(f"model.encoder={TRANSFORMER}", f"model.decoder={TRANSFORMER}", "model.attention={score: scaled_dot}")
    found = benchmark.sizes(model, BATCH)
    memory = model.eval().encode(SOURCE)
    heads = model.head_weights(SOURCE, memory, TARGET).cross
    assert heads is not None
    variances = [
        statistics.pvariance(heads[b, layer, head, t, : int(SOURCE.lengths[b])].log().tolist())
        for b in range(3)
        for layer in range(3)
        for head in range(2)
        for t in range(int(TARGET.lengths[b]))
    ]
    assert found.scores == pytest.approx(statistics.fmean(variances) ** 0.5, rel=1e-4)
    assert found.gates is None


def test_a_model_without_attention_has_no_scores(benchmark: ModuleType) -> None:
    model = built("model.attention=none", "model.decoder.context=every_step")
    found = benchmark.sizes(model, BATCH)
    assert found.scores is None
    assert found.largest_weight is None


def test_measuring_leaves_no_trace(benchmark: ModuleType) -> None:
    model = built()
    score = model.get_submodule("decoder.attention.score")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    benchmark.sizes(model, BATCH)
    assert model.training
    assert not score._forward_hooks
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_row_has_both_points_and_an_empty_cell_for_what_there_is_not(benchmark: ModuleType) -> None:
    start = benchmark.Sizes(1.0, None, 0.234, None, None, 0.5, 0.6, 8.4)
    end = benchmark.Sizes(1.1, None, 0.3, None, None, 0.7, 0.8, 5.0)
    row = benchmark.row("one", start, end)
    assert row == "| one | 1.00, 1.10 |  | 0.23, 0.30 |  |  | 0.50, 0.70 | 0.60, 0.80 | 8.40, 5.00 |"


@pytest.fixture
def config(tmp_path: Path) -> str:
    lines = [" ".join("abcdefg"[: 2 + number % 5]) + "\n" for number in range(8)]
    for name in ("train.de", "train.en", "dev.de", "dev.en"):
        (tmp_path / name).write_text("".join(lines))
    text = TINY.read_text().replace("data:\n", f"data:\n  root: {tmp_path}\n")
    text = text.replace("{vocabulary_size: 40}", "{kind: char}").replace("{max_steps: 3}", STEPS)
    (tmp_path / "tiny.yaml").write_text(text)
    return str(tmp_path / "tiny.yaml")


def test_the_second_point_is_of_weights_that_were_updated(benchmark: ModuleType, config: str) -> None:
    start, end = benchmark.measured(config, [], 3)
    assert end.loss < start.loss
    again, same = benchmark.measured(config, [], 0)
    assert again == same


def test_no_more_updates_than_a_pass_has(benchmark: ModuleType, config: str) -> None:
    with pytest.raises(SystemExit, match=r"sizes.py: --updates is 4, but a pass has 4 batches; make it smaller"):
        benchmark.measured(config, [], 4)


@pytest.mark.parametrize("name", ["GRU, general", "LSTMN", "convolutional encoder", "no attention"])
def test_kinds_are_what_they_are_called(benchmark: ModuleType, name: str) -> None:
    overrides = [override.replace("256", "8") for override in benchmark.KINDS[name]]
    model = built("model.encoder.hidden_size=8", *overrides)
    assert isinstance(model, EncoderDecoder)
    parts = {type(module).__name__ for module in model.modules()}
    expected = {
        "GRU, general": {"GRU", "GeneralScore"},
        "LSTMN": {"LSTMNLayers"},
        "convolutional encoder": {"ConvolutionalEncoder"},
        "no attention": set[str](),
    }[name]
    assert expected <= parts
    assert ("Attention" in parts) == (name != "no attention")
