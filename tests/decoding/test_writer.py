"""Sentences in, sentences out: order, lengths, unknown words, forced targets. The tokenizers cut at words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from marks import needs_bf16
from tiny import close, scored, tokens

from attncli.assembly.model import build_model
from attncli.config.search import Search
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.decoding.search import Hypothesis
from attncli.decoding.writer import Writer
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import EOS, UNK, Tokenizers, train_tokenizers

SOURCES = ["der Hund rennt", "", "Kuh", "die Kuh und der Hund schlafen", "  ", "der Elefant rennt"]
REAL = [0, 2, 3, 5]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    config = TokenizerConfig(kind="word", vocabulary_size=30, shared=False)
    return train_tokenizers(
        config, ["der Hund die Kuh und rennt schlafen"], ["the dog , a cow and runs sleep !", "the dog"]
    )


def settings(**changes: Any) -> Search:
    return Search.model_validate({"beam_size": 3, "max_length": 6, "batch_size": 2, **changes})


def made(tokenizers: Tokenizers, search: Search | None = None, *, cuts: bool = False, **model: Any) -> Writer[Any]:
    values = {
        "task": "translation",
        "data": {key: {"source": "a", "target": "b"} for key in ("train", "dev")},
        "model": {"embedding_size": 5, "encoder": {"hidden_size": 8}, "decoder": {"hidden_size": 6}, **model},
        "training": {"max_steps": 1},
    }
    torch.manual_seed(3)
    built = build_model(
        TranslationConfig.model_validate(values),
        source_vocabulary=tokenizers.source.size,
        target_vocabulary=tokenizers.target.size,
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
    asked = search or settings()
    reader = TextReader(tokenizers.source, limit=asked.max_source_length, cuts=cuts)
    return Writer(built.eval(), reader, tokenizers.target, asked)


def texts(written: Iterable[Written]) -> list[str]:
    return [found.best.text for found in written]


def test_sentences_come_back_in_their_order(tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = made(tokenizers)
    found = list(writer.write(SOURCES))
    assert [each.cell for each in found] == SOURCES
    alone = [next(writer.write([source])) for source in SOURCES]
    assert texts(found) == texts(alone)
    monkeypatch.setattr(TextReader, "ahead", 4)
    assert texts(writer.write(SOURCES)) == texts(alone)


def test_no_more_sentences_are_read_than_are_due(tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextReader, "ahead", 2)
    waiting = iter(SOURCES)
    found = made(tokenizers).write(waiting)
    next(found)
    assert next(waiting) == SOURCES[2]


def test_batches_are_as_large_as_asked_for_and_of_like_lengths(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, seen = made(tokenizers, settings(batch_size=3)), []
    encode = writer.model.encode
    monkeypatch.setattr(
        type(writer.model), "encode", lambda _, source: seen.append(source.lengths.tolist()) or encode(source)
    )
    list(writer.write(SOURCES))
    assert seen == [[2, 4, 4], [7]]


def test_a_sentence_without_a_token_is_translated_as_nothing(tokenizers: Tokenizers) -> None:
    found = list(made(tokenizers).write(["", "  \t", "\u3000"]))
    for written in found[:2]:
        [hypothesis] = written.hypotheses
        assert (hypothesis.text, hypothesis.tokens, hypothesis.weights) == ("", (), None)
        assert (hypothesis.log_prob, hypothesis.score, written.places.tokens) == (0.0, 0.0, ())
    assert found[2].places.tokens is not None
    assert found[2].places.tokens[-1] == "</s>", "an unusual space is a token of its own"


@torch.no_grad()
def test_hypotheses_are_what_the_model_gives_them(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers, settings(length_penalty=0.5))
    for each in writer.write(SOURCES, n_best=2, with_weights=True):
        if not each.places.tokens:
            continue
        assert len(each.hypotheses) == 2
        ids = tokenizers.source.encode(each.cell)
        assert each.places.tokens == tuple(tokenizers.source.tokens([*ids, EOS]))
        for found in each.hypotheses:
            written = [tokenizers.target._ids.get(f"▁{token}", UNK) for token in found.tokens if token != "</s>"]
            if found.tokens[-1] != "</s>":
                continue
            log_probs, weights = scored(writer.model, tokens(ids), tokens(written))
            assert found.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-4)
            assert found.score == pytest.approx(found.log_prob / ((5 + len(found.tokens)) / 6) ** 0.5)
            assert found.text == tokenizers.target.decode(written)
            assert weights is not None
            assert found.weights is not None
            close(torch.from_numpy(found.weights), weights[0])


def test_too_long_a_source_is_a_problem_of_its_own_or_cut(tokenizers: Tokenizers) -> None:
    asked = settings(max_source_length=4)
    found = list(made(tokenizers, asked).write(SOURCES))
    assert isinstance(found[3].problem, DataError)
    assert str(found[3].problem) == (
        "6 tokens, but search.max_source_length is 4; raise it (--max-source-length) or have long sources cut "
        "(--too-long cut)"
    )
    assert (found[3].cell, found[3].hypotheses) == (SOURCES[3], ())
    assert [each.problem for at, each in enumerate(found) if at != 3] == [None] * 5
    writer = made(tokenizers, asked, cuts=True)
    cut = list(writer.write(SOURCES))
    assert cut[3].cell == SOURCES[3]
    assert cut[3].places.tokens == ("die", "Kuh", "und", "der", "</s>")
    [short] = writer.write(["die Kuh und der"])
    assert cut[3].best.text == short.best.text


def planted(monkeypatch: pytest.MonkeyPatch, written: list[int], weights: list[list[float]]) -> None:
    """Let every search find `written`."""
    found = Hypothesis(tuple(written), -1.0, -2.0, np.array(weights))
    monkeypatch.setattr("attncli.decoding.writer.search", lambda _decoder, memory, **_: [[found]] * len(memory.mask))


def test_an_unknown_token_becomes_the_source_token_most_looked_at(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    the, comma = tokenizers.target.encode("the ,")[0], tokenizers.target._ids["▁,"]
    looks = [[0.5, 0.3, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.3, 0.3, 0.2, 0.2], [0.0, 0.1, 0.2, 0.7], [0, 0, 0, 1]]
    planted(monkeypatch, [the, UNK, comma, UNK, EOS], looks)
    writer = made(tokenizers)
    [plain] = writer.write(["der Elefant rennt"])
    assert plain.hypotheses[0].tokens == ("the", "<unk>", ",", "<unk>", "</s>")
    assert plain.hypotheses[0].text == "the ⁇ , ⁇"
    assert plain.hypotheses[0].weights is None
    [found] = writer.write(["der Elefant rennt"], replaces_unknown=True)
    # The second looks at the end symbol most, which is no word, and then at `rennt`.
    assert found.hypotheses[0].tokens == ("the", "Elefant", ",", "rennt", "</s>")
    assert found.hypotheses[0].text == "the Elefant , rennt"
    assert found.hypotheses[0].weights is None


def test_a_cut_source_has_no_tokens_to_copy_beyond_the_cut(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, [UNK, EOS], [[0.1, 0.3, 0.6], [0, 0, 1]])
    writer = made(tokenizers, settings(max_source_length=2), cuts=True)
    [found] = writer.write(["der Elefant rennt"], replaces_unknown=True, with_weights=True)
    assert found.hypotheses[0].text == "Elefant"
    assert found.hypotheses[0].weights is not None


@torch.no_grad()
def test_a_given_target_is_aligned(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers, settings(length_penalty=2.0))
    pairs = [("der Hund rennt", "the dog runs !"), ("die Kuh", "")]
    found = list(writer.align(pairs))
    assert [each.cell for each in found] == ["der Hund rennt", "die Kuh"]
    for (source, target), each in zip(pairs, found, strict=True):
        [hypothesis] = each.hypotheses
        ids, written = tokenizers.source.encode(source), tokenizers.target.encode(target)
        assert hypothesis.tokens == (*target.split(), "</s>")
        assert hypothesis.text == target
        log_probs, weights = scored(writer.model, tokens(ids), tokens(written))
        assert hypothesis.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-5)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob / ((5 + len(written) + 1) / 6) ** 2)
        assert weights is not None
        assert hypothesis.weights is not None
        close(torch.from_numpy(hypothesis.weights), weights[0])


def test_without_attention_there_are_no_weights(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers, attention="none")
    [found] = writer.write(["der Hund"], with_weights=True, replaces_unknown=True)
    [aligned] = writer.align([("der Hund", "the dog")])
    assert found.hypotheses[0].weights is aligned.hypotheses[0].weights is None


def test_json_has_weights_only_where_there_are_any(tokenizers: Tokenizers) -> None:
    for with_weights in (False, True):
        [found] = made(tokenizers).write(["der Hund"], with_weights=with_weights)
        told = found.as_json(name="source")
        assert (told["source"], told["source_tokens"]) == ("der Hund", ["der", "Hund", "</s>"])
        [hypothesis] = told["hypotheses"]
        assert ("attention" in hypothesis) == with_weights
        assert hypothesis["tokens"] == list(found.hypotheses[0].tokens)
        if with_weights:
            np.testing.assert_allclose(hypothesis["attention"], found.hypotheses[0].weights, atol=1e-6)


@needs_bf16
def test_half_precision_changes_little(tokenizers: Tokenizers) -> None:
    pairs = [("der Hund rennt", "the dog runs")]
    [exact] = made(tokenizers).align(pairs)
    [rounded] = made(tokenizers, settings(precision="bf16")).align(pairs)
    assert rounded.hypotheses[0].log_prob != exact.hypotheses[0].log_prob
    assert rounded.hypotheses[0].log_prob == pytest.approx(exact.hypotheses[0].log_prob, rel=0.1)


STACK = {"kind": "transformer", "hidden_size": 6, "heads": 3, "layers": 2, "feed_forward_size": 9}


def test_a_sentence_is_inspected_with_a_given_or_a_found_translation(tokenizers: Tokenizers) -> None:
    kinds = {"encoder": STACK, "decoder": {**STACK, "heads": 2}, "attention": {"score": "scaled_dot"}}
    writer = made(tokenizers, embedding_size=6, **kinds)
    given, found = writer.inspect([("der Hund rennt", "the dog runs"), ("die Kuh und der Hund", None)])
    assert given.places.tokens == ("der", "Hund", "rennt", "</s>")
    assert given.target_tokens == ("the", "dog", "runs", "</s>")
    assert given.read_tokens == ("<s>", "the", "dog", "runs")
    assert given.target == "the dog runs"
    assert given.encoder is not None
    assert given.decoder is not None
    assert given.cross is not None
    assert (given.encoder.shape, given.decoder.shape, given.cross.shape) == ((2, 3, 4, 4), (2, 2, 4, 4), (2, 2, 4, 4))
    [aligned] = writer.align([("der Hund rennt", "the dog runs")])
    np.testing.assert_allclose(given.cross[-1].mean(0), aligned.hypotheses[0].weights, atol=1e-6)
    [written] = writer.write(["die Kuh und der Hund"], with_weights=True)
    best = written.best
    assert (found.target, found.target_tokens) == (best.text, best.tokens)
    assert found.cross is not None
    np.testing.assert_allclose(found.cross[-1].mean(0), best.weights, atol=1e-5)


def test_what_looks_nowhere_has_no_weights(tokenizers: Tokenizers) -> None:
    [found] = made(tokenizers, attention="none").inspect([("der Hund", None)])
    assert (found.encoder, found.decoder, found.cross) == (None, None, None)
    [found] = made(tokenizers).inspect([("der Hund", "the")])
    assert found.encoder is found.decoder is None
    assert found.cross is not None
    assert found.cross.shape == (1, 1, 2, 3)


LOCAL_AND_HARD = {"score": "general", "window": "local_p", "half_width": 1, "selection": "hard"}


def test_windows_and_choices_come_with_the_weights(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers, attention=LOCAL_AND_HARD)
    for found in writer.write([SOURCES[0], SOURCES[3]], with_weights=True):
        [forced] = writer.align([(found.cell, found.best.text)])
        for each in (found, forced):
            [hypothesis, *_] = each.as_json(name="source")["hypotheses"]
            assert each.places.tokens is not None
            assert hypothesis["half_width"] == 1
            weights = np.array(hypothesis["attention"])
            assert weights.shape == (len(hypothesis["tokens"]), len(each.places.tokens))
            assert hypothesis["chosen"] == weights.argmax(-1).tolist()
            assert len(hypothesis["centres"]) == len(weights)
            for centre, row in zip(hypothesis["centres"], weights, strict=True):
                assert 0 <= centre <= len(row) - 1
                assert all(abs(s - centre) <= 1 for s in row.nonzero()[0])
    [plain] = writer.write([SOURCES[0]])
    assert not {"attention", "centres", "chosen", "half_width"} & {*plain.as_json(name="source")["hypotheses"][0]}


def test_drawn_choices_are_the_same_each_time_and_may_be_asked_for_otherwise(tokenizers: Tokenizers) -> None:
    def chosen(**keys: Any) -> list[list[int]]:
        attention = {"score": "general", "selection": "hard", **keys}
        found = next(
            made(tokenizers, settings(beam_size=1), attention=attention).write([SOURCES[3]], with_weights=True)
        )
        return [hypothesis.get("chosen") for hypothesis in found.as_json(name="source")["hypotheses"]]

    assert chosen(inference="sample") == chosen(inference="sample", sampling_seed=1)
    assert len({str(chosen(inference="sample", sampling_seed=seed)) for seed in range(8)}) > 1
    assert chosen(inference="expectation") == [None]
