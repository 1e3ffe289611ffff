"""Several encoders as one.

B=3 sources: images of 4 regions, and questions of 4, 2 and 6 tokens.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from joint import MEMORY_SIZE, ORDERS, QUESTIONS, READING, REGIONS, built_joint, source_of, sources
from tiny import close, part_of, row_of, scored, tokens
from tiny_captioner import IMAGES
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.data.packs import Packs, Shared
from attncli.data.tokens import Tokens
from attncli.models.attention import Marks
from attncli.models.build import build_attention
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.joint import JointEncoder
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.rows import take_rows
from attncli.models.source_draws import fingerprints
from attncli.sources.images.batch import Pixels

TARGET = tokens([5, 4], [6, 7, 8, 9], [4])


def joint_of(model: EncoderDecoder) -> JointEncoder:
    return part_of(model, "encoder", JointEncoder)


@torch.inference_mode()
def test_the_context_is_the_sum_over_memories_and_positions_of_projected_states() -> None:
    """C = Σ_k Σ_s a_ks (P_k h_ks + t_k), with one softmax over all s of all k."""
    model = built_joint()
    encoder, source = joint_of(model), sources()
    attention = build_attention(AttentionConfig(score="dot"), query_size=MEMORY_SIZE, memory_size=MEMORY_SIZE)
    query = torch.randn(3, 1, MEMORY_SIZE, generator=torch.Generator().manual_seed(5))
    glimpse = attention(query, attention.prepare(encoder(source)))
    assert encoder.project is not None
    for b in range(3):
        values: list[Tensor] = []
        for (name, part), packed in zip(encoder.encoders.items(), source_of(b).members, strict=True):
            project = part_of(encoder, f"project.{name}", torch.nn.Linear)
            values += [project.weight @ state + project.bias for state in part(packed).states[0]]
        scores = [float(query[b, 0] @ value) for value in values]
        most = max(scores)
        total = sum(torch.e ** (score - most) for score in scores)
        expected = sum(torch.e ** (score - most) / total * value for score, value in zip(scores, values, strict=True))
        close(glimpse.context[b, 0], torch.as_tensor(expected), tolerance=1e-4)


def reading_less(whole: JointEncoder, **names: list[str]) -> JointEncoder:
    """Return an encoder over the same encoders as `whole`, of which it reads those of `names`."""
    encoders = {name: whole.encoders[name] for name in ("image", "question")}
    return JointEncoder(encoders, memory_size=MEMORY_SIZE, reads_states=True, summarises=True, **names)  # type: ignore[arg-type]


@torch.inference_mode()
def test_of_an_encoder_that_is_not_attended_to_only_the_summary_is_read() -> None:
    whole = joint_of(built_joint(*READING["classifier"]))
    part = reading_less(whole, attended=["image"])
    missing = part.load_state_dict(whole.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert {key.split(".")[1] for key in missing.unexpected_keys} == {"question"}
    all_of_it, found = whole(sources()), part(sources())
    close(found.states, all_of_it.states[:, :REGIONS])
    close(found.summary, all_of_it.summary)
    assert found.mask.shape == (3, REGIONS)
    assert [each.name for each in found.parts] == ["image"]


@torch.inference_mode()
def test_an_encoder_that_is_not_summarised_does_not_enter_the_summary() -> None:
    whole = joint_of(built_joint(*READING["classifier"]))
    part = reading_less(whole, summarised=["question"])
    assert part.summarise is not None
    found = part(sources())
    assert found.states.shape == whole(sources()).states.shape
    question = whole.encoders["question"](sources().members[1]).summary
    close(found.summary, question @ part.summarise.weight.T + part.summarise.bias)


@torch.inference_mode()
def test_rows_that_share_a_value_have_its_memory() -> None:
    model = built_joint()
    rows = torch.tensor([2, 0, 2, 1])
    image, question = sources().members
    assert isinstance(image, Pixels)
    apart = Packs((Pixels(image.pixels[rows]), Tokens(QUESTIONS.ids[rows], QUESTIONS.lengths[rows])))
    shared = Packs((Shared(image, rows), Shared(question, rows)))
    assert len(shared) == 4
    one, other = model.encoder(apart), model.encoder(shared)
    close(one.states, other.states)
    close(one.summary, other.summary)
    assert torch.equal(one.mask, other.mask)
    assert one.parts == other.parts
    assert torch.equal(fingerprints(apart), fingerprints(shared))


@torch.inference_mode()
def test_the_summary_is_a_layer_over_the_summaries_of_all() -> None:
    encoder = joint_of(built_joint(*READING["none"]))
    assert encoder.summarise is not None
    found = encoder(sources())
    members = zip(encoder.encoders.values(), sources().members, strict=True)
    summaries = [part(packed).summary for part, packed in members]
    joined = torch.cat(summaries, 1)
    for b in range(3):
        for d in range(MEMORY_SIZE):
            expected = encoder.summarise.weight[d] @ joined[b] + encoder.summarise.bias[d]
            assert float(found.summary[b, d]) == pytest.approx(float(expected), rel=1e-4, abs=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["current-additive", "previous-additive", "transformer", "classifier", "none"])
def test_one_memory_whose_projection_changes_nothing_is_read_as_by_itself(name: str) -> None:
    same_width = ("model.encoder={hidden_size: 8}",)
    model = built_joint(*READING[name], *same_width, order="question")
    encoder = joint_of(model)
    for layer in (encoder.summarise, None if encoder.project is None else encoder.project["question"]):
        if layer is not None:
            assert isinstance(layer, torch.nn.Linear)
            layer.weight.copy_(torch.eye(MEMORY_SIZE))
            layer.bias.zero_()
    alone = EncoderDecoder(part_of(encoder, "encoders.question", RecurrentEncoder), model.decoder)
    for found, expected in zip(
        scored(model, Packs((QUESTIONS,)), TARGET), scored(alone, QUESTIONS, TARGET), strict=True
    ):
        if found is None or expected is None:
            assert found is expected is None
        else:
            close(found, expected)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["current-additive", "feeding-coverage", "transformer", "classifier"])
def test_another_order_of_the_encoders_gives_the_weights_in_another_order(name: str) -> None:
    one, other = (built_joint(*READING[name], order=order) for order in ORDERS)
    weights = one.state_dict()
    if "encoder.summarise.weight" in weights:
        first = next(iter(joint_of(one).encoders.values())).memory_size
        columns = weights["encoder.summarise.weight"]
        weights["encoder.summarise.weight"] = torch.cat([columns[:, first:], columns[:, :first]], 1)
    other.load_state_dict(weights)
    log_probs, looks = scored(one, sources(ORDERS[0]), TARGET)
    other_log_probs, other_looks = scored(other, sources(ORDERS[1]), TARGET)
    close(other_log_probs, log_probs)
    assert looks is not None
    assert other_looks is not None
    close(torch.cat([other_looks[..., 6:], other_looks[..., :6]], -1), looks)
    assert (looks[..., :REGIONS].sum(-1) > 0.01).any()
    assert (looks[..., REGIONS:].sum(-1) > 0.01).any()


def test_what_no_decoder_reads_is_not_computed() -> None:
    encoder = joint_of(built_joint(*READING["none"]))
    assert encoder.project is None
    assert encoder(sources()).states.shape == (3, REGIONS + 6, 0)
    encoder = joint_of(built_joint(*READING["transformer"]))
    assert encoder.summarise is None
    assert torch.equal(encoder(sources()).summary, torch.zeros(3, MEMORY_SIZE))


@pytest.mark.parametrize("keys", [{"window": "local_m"}, {"window": "local_p"}])
def test_windows_are_for_one_memory(keys: dict[str, str]) -> None:
    config = AttentionConfig(half_width=1, **keys)  # type: ignore[arg-type]
    attention = build_attention(config, query_size=4, memory_size=MEMORY_SIZE)
    with pytest.raises(AssertionError, match="a window is for one memory"):
        attention.prepare(joint_of(built_joint())(sources()))


def test_a_source_of_two_is_known_by_both_and_their_order() -> None:
    found = fingerprints(sources())
    assert len(set(found.tolist())) == 3
    for at in range(3):
        assert fingerprints(source_of(at))[0] == found[at]
    assert not (fingerprints(sources(ORDERS[1])) == found).any()
    assert (fingerprints(Packs((IMAGES, take_rows(QUESTIONS, torch.tensor([1, 2, 0]))))) != found).all()
    other = take_rows(IMAGES, torch.tensor([1, 2, 0]))
    assert (fingerprints(Packs((other, QUESTIONS))) != found).all()
    assert fingerprints(Packs((row_of(QUESTIONS, 0), row_of(QUESTIONS, 1)))) != fingerprints(
        Packs((row_of(QUESTIONS, 1), row_of(QUESTIONS, 0)))
    )


def test_choices_are_counted_among_the_real_positions() -> None:
    real = torch.tensor([True, True, False, False, True, False, True])
    marks = Marks(None, None, torch.tensor([6, 0, 4, 1]))
    assert marks.among(real).chosen is not None
    assert marks.among(real).chosen.tolist() == [3, 0, 2, 1]  # type: ignore[union-attr]
    without = replace(marks, chosen=None)
    assert without.among(real) == without
