"""The decoder of labels, against its definition.

B=3 sources, K=2 hypotheses of each, T=4 target positions.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from combinations import CLASSIFIER, LABEL_TARGETS, SELECTION, WINDOW, score_overrides
from tiny import built, built_for_images, close, configured, part_of, read_whole, row_of, tokens
from torch import nn

from attncli.data.tokens import TokenColumn
from attncli.decoding.constraints import Constraints
from attncli.decoding.search import search
from attncli.decoding.strategies import BestK
from attncli.errors import ConfigError
from attncli.models.decoders.classifier import ClassifierDecoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.rows import take_rows
from attncli.models.scores import SCORES
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
LABELS = TokenColumn.of([[5], [10], [4]], end=()).batch(np.arange(3))
OVERRIDES = {
    "-".join(names): (*CLASSIFIER, *score_overrides(names[0]), *WINDOW[names[1]], *SELECTION[names[2]])
    for names in product(SCORES, WINDOW, SELECTION)
}

OVERRIDES |= {
    "-".join(("two", *names)): (*CLASSIFIER, *WINDOW[names[0]], *SELECTION[names[1]], "model.decoder.hops=2")
    for names in product(WINDOW, SELECTION)
}


def hopping(hops: int, readout: str = "attentional") -> tuple[str, ...]:
    return (f"model.decoder.hops={hops}", f"model.decoder.readout={readout}")


def decoder_of(model: EncoderDecoder) -> ClassifierDecoder:
    assert isinstance(model.decoder, ClassifierDecoder)
    return model.decoder


def test_a_label_is_one_term_without_an_end_symbol() -> None:
    assert LABELS.ids.tolist() == [[5], [10], [4]]
    assert built(*CLASSIFIER).loss(SOURCE, LABELS, label_smoothing=0.0).terms == 3


@torch.inference_mode()
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("readout", ["attentional", "sum"])
def test_every_hop_asks_with_what_the_last_one_made_of_question_and_context(
    readout: str, hops: int, score: str
) -> None:
    widths = ("model.encoder.hidden_size=8",) if readout == "sum" else ()
    model = built(*CLASSIFIER, *score_overrides(score), *hopping(hops, readout), *widths)
    memory, decoder = model.encode(SOURCE), decoder_of(model)
    prefix = torch.full((3, 1), BOS)
    logits, weights = read_whole(decoder, prefix, memory)
    of_hops = decoder.cross_weights(prefix, decoder.prepare(memory))
    assert weights is not None
    assert of_hops is not None
    assert of_hops.shape[:4] == (3, hops, 1, 1)
    questions = (memory.summary @ decoder.ask.weight.T + decoder.ask.bias).tanh()
    for at, question in enumerate(questions):
        states = memory.states[at, : int(SOURCE.lengths[at])]
        for number in range(hops):
            scored = decoder.hops[number].attention.score
            expected = scored(question[None, None], scored.project(states[None]))[0, 0].softmax(-1)
            close(of_hops[at, number, 0, 0, : len(states)], expected)
            context = expected @ states
            if readout == "sum":
                question = question + context
            else:
                combine = part_of(decoder.hops[number].readout, "combine", nn.Linear).weight
                question = (combine @ torch.cat([context, question])).tanh()
        close(weights[at], of_hops[at, -1, 0])
        close(logits[at, 0], question @ decoder.output.classify.weight.T + decoder.output.classify.bias)


def test_hops_draw_with_numbers_of_their_own() -> None:
    sampled = "model.attention={score: dot, selection: hard, inference: sample}"
    model = built(*CLASSIFIER, *hopping(2), "model.encoder.hidden_size=8", sampled).eval()
    decoder, long = decoder_of(model), tokens(list(range(4, 11)) * 5)
    with torch.no_grad():
        for hop in decoder.hops:
            part_of(hop.readout, "combine", nn.Linear).weight.zero_()
    memory = model.encode(long)
    even = replace(memory, states=torch.zeros_like(memory.states))  # every position is as likely
    first, second = decoder.force(torch.full((1, 6), BOS), decoder.prepare(even)).glimpses
    assert first.marks is not None
    assert second.marks is not None
    assert first.marks.chosen is not None
    assert second.marks.chosen is not None
    assert first.marks.chosen.tolist() != second.marks.chosen.tolist()


def test_the_draws_of_every_hop_are_learned_from() -> None:
    hard = "model.attention={score: dot, selection: hard, estimator: reinforce}"
    model = built(*CLASSIFIER, *hopping(2), "model.encoder.hidden_size=8", hard).train()
    torch.manual_seed(5)
    forced = model.force(SOURCE, LABELS)
    log_probs, real = torch.tensor([-1.0, -2.0, -4.0]), torch.ones(3, 1, dtype=torch.bool)
    decoder = decoder_of(model)
    learn = {"real": real, "log_probs": log_probs}
    expected = [
        hop.attention.selection.learn(seen.draws, **learn)
        for hop, seen in zip(decoder.hops, forced.glimpses, strict=True)  # type: ignore[attr-defined]
    ]
    assert None not in expected
    found = decoder.further_loss(forced, model.encode(SOURCE), **learn)
    assert found is not None
    close(found, expected[0] + expected[1])  # type: ignore[operator]
    found.backward()  # type: ignore[no-untyped-call]
    assert decoder.ask.weight.grad is not None
    assert decoder.ask.weight.grad.abs().sum() > 0


def test_weights_of_one_hop_have_the_names_of_runs_that_knew_no_hops() -> None:
    assert list(decoder_of(built(*CLASSIFIER)).state_dict()) == [
        "ask.weight",
        "ask.bias",
        "attention.score.query.weight",
        "attention.score.memory.weight",
        "attention.score.energy.weight",
        "readout.combine.weight",
        "output.classify.weight",
        "output.classify.bias",
    ]


@torch.inference_mode()
def test_without_attention_the_question_is_all_that_is_read() -> None:
    model = built(*CLASSIFIER, "model.attention=none")
    memory, decoder = model.encode(SOURCE), decoder_of(model)
    logits, weights = read_whole(decoder, torch.full((3, 1), BOS), memory)
    question = (memory.summary @ decoder.ask.weight.T + decoder.ask.bias).tanh()
    assert weights is None
    close(logits[:, 0], question @ decoder.output.classify.weight.T + decoder.output.classify.bias)


@torch.inference_mode()
def test_stepping_gives_what_forcing_gives_with_every_score_window_and_selection() -> None:
    prefix = torch.tensor([[BOS, 4, 7, EOS]]).expand(6, -1)
    every_k = torch.arange(3).repeat_interleave(2)
    for name, overrides in OVERRIDES.items():
        model = built(*overrides)
        memory, decoder = model.encode(SOURCE), decoder_of(model)
        logits, weights = read_whole(decoder, prefix, take_rows(memory, every_k))
        prepared = decoder.prepare(memory)
        state = take_rows(decoder.start(prepared), every_k)
        for t in range(prefix.shape[1]):
            step = decoder.step(prefix[:, t], state, prepared)
            assert weights is not None, name
            assert step.weights is not None, name
            close(step.logits, logits[:, t])
            close(step.weights, weights[:, t])
            state = step.state


def test_a_training_step_reaches_every_parameter_with_every_score_window_and_selection() -> None:
    for name, overrides in OVERRIDES.items():
        model = built(*overrides, "model.dropout=0.2").train()
        torch.manual_seed(3)
        model.loss(SOURCE, LABELS, label_smoothing=0.1).total.backward()  # type: ignore[no-untyped-call]
        for parameter_name, parameter in model.named_parameters():
            assert parameter.grad is not None, (name, parameter_name)
            assert parameter.grad.isfinite().all(), (name, parameter_name)


@torch.inference_mode()
def test_a_beam_finds_every_label_once_with_the_probability_that_forcing_gives() -> None:
    closed = Constraints(forbidden=(PAD, BOS, UNK, EOS))
    for name, overrides in list(OVERRIDES.items())[::7]:
        model = built(*overrides)
        found = search(
            model.decoder,
            model.encode(SOURCE),
            strategy=BestK(),
            beam_size=9,
            max_length=1,
            length_penalty=1.0,
            with_weights=True,
            constraints=closed,
        )
        for at, ranked in enumerate(found):
            # 11 entries less 4 special ones.
            assert sorted(hypothesis.tokens for hypothesis in ranked) == [(label,) for label in range(4, 11)], name
            assert [one.log_prob for one in ranked] == sorted((one.log_prob for one in ranked), reverse=True)
            every = torch.zeros(7, dtype=torch.long)
            target = TokenColumn.of([hypothesis.tokens for hypothesis in ranked], end=()).batch(np.arange(7))
            forced = model.force_memory(take_rows(model.encode(row_of(SOURCE, at)), every), target)
            expected = torch.tensor([[hypothesis.log_prob] for hypothesis in ranked])
            close(model.log_probs_of(forced, target), expected, tolerance=1e-4)
            assert forced.weights is not None
            for hypothesis, weights in zip(ranked, forced.weights, strict=True):
                assert hypothesis.weights is not None
                close(torch.from_numpy(hypothesis.weights), weights)


@torch.inference_mode()
def test_it_asks_images_too() -> None:
    model = built_for_images(*CLASSIFIER, "model.attention.window=local_p", "model.attention.half_width=1")
    forced = model.force(SOURCE, LABELS)
    assert model.log_probs_of(forced, LABELS).shape == (3, 1)
    assert forced.weights is not None
    assert forced.weights.shape == (3, 1, 6)
    assert ((forced.weights > 0).sum(-1) < 6).any(), "a window leaves some regions out"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ("tokenizer.target=null",),
            "model.decoder.kind: 'classifier' writes one label, but targets are text; set tokenizer.target: "
            "{kind: label}, or choose another decoder",
        ),
        (
            ("model.tied_embeddings=target",),
            "model.tied_embeddings: 'target' shares the embeddings of targets, which a decoder of kind 'classifier' "
            "does not read; choose 'none'",
        ),
        (
            ("model.tied_embeddings=all",),
            "model.tied_embeddings: 'all' needs a shared vocabulary, but labels (tokenizer.target) have their own; "
            "choose 'none'",
        ),
        (
            ("model.attention.coverage=true",),
            "model.attention: coverage and location_aware look at the weights of earlier tokens, but a decoder of kind "
            "'classifier' writes one; remove them",
        ),
        (
            ("model.attention={score: dot}",),
            "model.attention.score: 'dot' needs query and memory of equal width, but model.decoder.hidden_size is 8 "
            "and model.encoder.hidden_size is 10; make them equal or choose 'general'",
        ),
        (
            ("model.decoder.hops=2", "model.attention=none"),
            "model.decoder.hops: are questions to an attention, but model.attention is none; remove it",
        ),
        (
            ("model.decoder.readout=sum",),
            "model.decoder.readout: 'sum' adds what is read to the question, but model.encoder.hidden_size is 10 and "
            "model.decoder.hidden_size is 8; make them equal or choose 'attentional'",
        ),
        (
            ("model.decoder={hidden_size: 8, copying: true}",),
            "model.decoder.copying: copies words of the source, but labels are a closed set; remove it",
        ),
    ],
)
def test_what_does_not_go_with_labels_is_refused(overrides: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(*CLASSIFIER, *overrides)
    assert caught.value.problems == (f"tiny.yaml: {problem}",)


def test_labels_are_not_learned_from_rewards() -> None:
    with pytest.raises(ConfigError) as caught:
        configured(*CLASSIFIER, "training.objective={kind: self_critical}")
    assert (
        "tiny.yaml: training.objective.kind: 'self_critical' rewards text, but targets are labels (tokenizer.target); "
        "choose cross_entropy"
    ) in caught.value.problems


def test_a_longer_search_does_not_matter_to_learned_positions() -> None:
    sizes, positions = "hidden_size: 6, feed_forward_size: 9, heads: 2", "positions: learned, maximum_length: 1"
    learned = f"model.decoder={{kind: transformer, {sizes}, {positions}}}"
    assert configured(*LABEL_TARGETS, learned, "model.attention={score: scaled_dot}").longest_target == 1
