"""Sentences in, sentences out: order, lengths, unknown words, forced targets. The tokenizers cut at words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from attncli.decoding.translator import Translation, Translator
from marks import needs_bf16
from tiny import close, tokens

from attncli.assembly.model import build_model
from attncli.config.search import Search
from attncli.config.tasks.translation import TranslationModel
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.decoding.search import Hypothesis
from attncli.errors import DataError
from attncli.text.tokenizer import EOS, UNK, Tokenizers, train_tokenizers

SOURCES = ["der Hund rennt", "", "Kuh", "die Kuh und der Hund schlafen", "  ", "der Elefant rennt"]
REAL = [0, 2, 3, 5]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    config = TokenizerConfig(kind="word", vocabulary_size=30, shared=False)
    return train_tokenizers(
        config, ["der Hund die Kuh und rennt schlafen"], ["the dog , a cow and runs sleep !", "the dog"]
    )


def made(tokenizers: Tokenizers, **model: Any) -> Translator:
    values = {"embedding_size": 5, "encoder": {"hidden_size": 8}, "decoder": {"hidden_size": 6}, **model}
    torch.manual_seed(3)
    built = build_model(
        TranslationModel.model_validate(values),
        source_vocabulary=tokenizers.source.size,
        target_vocabulary=tokenizers.target.size,
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
    return Translator(built.eval(), tokenizers)


def settings(**changes: Any) -> Search:
    return Search.model_validate({"beam_size": 3, "max_length": 6, "batch_size": 2, **changes})


def texts(translations: Sequence[Translation]) -> list[str]:
    return [translation.hypotheses[0].text for translation in translations]


def test_sentences_come_back_in_their_order(tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = made(tokenizers)
    found = list(translator.translate(SOURCES, settings=settings()))
    assert [translation.source for translation in found] == SOURCES
    alone = [next(translator.translate([source], settings=settings())) for source in SOURCES]
    assert texts(found) == texts(alone)
    monkeypatch.setattr("attncli.decoding.translator.READ_AHEAD", 4)
    assert texts(list(translator.translate(SOURCES, settings=settings()))) == texts(alone)


def test_no_more_sentences_are_read_than_are_due(tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attncli.decoding.translator.READ_AHEAD", 2)
    waiting = iter(SOURCES)
    found = made(tokenizers).translate(waiting, settings=settings())
    next(found)
    assert next(waiting) == SOURCES[2]


def test_batches_are_as_large_as_asked_for_and_of_like_lengths(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator, seen = made(tokenizers), []
    encode = translator.model.encode
    monkeypatch.setattr(
        type(translator.model), "encode", lambda _, source: seen.append(source.lengths.tolist()) or encode(source)
    )
    list(translator.translate(SOURCES, settings=settings(batch_size=3)))
    assert seen == [[2, 4, 4], [7]]


def test_a_sentence_without_a_token_is_translated_as_nothing(tokenizers: Tokenizers) -> None:
    found = list(made(tokenizers).translate(["", "  \t", "\u3000"], settings=settings()))
    for translation in found[:2]:
        [hypothesis] = translation.hypotheses
        assert (hypothesis.text, hypothesis.tokens, hypothesis.weights) == ("", (), None)
        assert (hypothesis.log_prob, hypothesis.score, translation.source_tokens) == (0.0, 0.0, ())
    assert found[2].source_tokens[-1] == "</s>", "an unusual space is a token of its own"


@torch.no_grad()
def test_hypotheses_are_what_the_model_gives_them(tokenizers: Tokenizers) -> None:
    translator = made(tokenizers)
    asked = settings(length_penalty=0.5)
    for translation in translator.translate(SOURCES, settings=asked, n_best=2, with_weights=True):
        if not translation.source_tokens:
            continue
        assert len(translation.hypotheses) == 2
        ids = tokenizers.source.encode(translation.source)
        assert translation.source_tokens == tuple(tokenizers.source.tokens([*ids, EOS]))
        for found in translation.hypotheses:
            written = [tokenizers.target._ids.get(f"▁{token}", UNK) for token in found.tokens if token != "</s>"]
            if found.tokens[-1] != "</s>":
                continue
            log_probs, weights = scored(translator.model, tokens(ids), tokens(written))
            assert found.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-4)
            assert found.score == pytest.approx(found.log_prob / ((5 + len(found.tokens)) / 6) ** 0.5)
            assert found.text == tokenizers.target.decode(written)
            assert weights is not None
            assert found.weights is not None
            close(torch.from_numpy(found.weights), weights[0])


def test_too_long_a_source_is_refused_with_its_line_or_cut(tokenizers: Tokenizers) -> None:
    translator, asked = made(tokenizers), settings(max_source_length=4)
    with pytest.raises(DataError) as caught:
        list(translator.translate(SOURCES, settings=asked, first_line=11))
    assert str(caught.value) == (
        "line 14: 6 tokens, but search.max_source_length is 4; raise it (--max-source-length) or have long sources cut "
        "(--too-long cut)"
    )
    cut = list(translator.translate(SOURCES, settings=asked, too_long="cut"))
    assert cut[3].source == SOURCES[3]
    assert cut[3].source_tokens == ("die", "Kuh", "und", "der", "</s>")
    [short] = translator.translate(["die Kuh und der"], settings=asked)
    assert cut[3].hypotheses[0].text == short.hypotheses[0].text


def planted(monkeypatch: pytest.MonkeyPatch, written: list[int], weights: list[list[float]]) -> None:
    """Let every search find `written`."""
    found = Hypothesis(tuple(written), -1.0, -2.0, np.array(weights))
    monkeypatch.setattr(
        "attncli.decoding.translator.search", lambda _decoder, memory, **_: [[found]] * len(memory.mask)
    )


def test_an_unknown_token_becomes_the_source_token_most_looked_at(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    the, comma = tokenizers.target.encode("the ,")[0], tokenizers.target._ids["▁,"]
    looks = [[0.5, 0.3, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.3, 0.3, 0.2, 0.2], [0.0, 0.1, 0.2, 0.7], [0, 0, 0, 1]]
    planted(monkeypatch, [the, UNK, comma, UNK, EOS], looks)
    translator = made(tokenizers)
    [plain] = translator.translate(["der Elefant rennt"], settings=settings())
    assert plain.hypotheses[0].tokens == ("the", "<unk>", ",", "<unk>", "</s>")
    assert plain.hypotheses[0].text == "the ⁇ , ⁇"
    assert plain.hypotheses[0].weights is None
    [found] = translator.translate(["der Elefant rennt"], settings=settings(), replace_unknown=True)
    # The second looks at the end symbol most, which is no word, and then at `rennt`.
    assert found.hypotheses[0].tokens == ("the", "Elefant", ",", "rennt", "</s>")
    assert found.hypotheses[0].text == "the Elefant , rennt"
    assert found.hypotheses[0].weights is None


def test_a_cut_source_has_no_tokens_to_copy_beyond_the_cut(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, [UNK, EOS], [[0.1, 0.3, 0.6], [0, 0, 1]])
    asked = settings(max_source_length=2)
    [found] = made(tokenizers).translate(
        ["der Elefant rennt"], settings=asked, replace_unknown=True, too_long="cut", with_weights=True
    )
    assert found.hypotheses[0].text == "Elefant"
    assert found.hypotheses[0].weights is not None


@torch.no_grad()
def test_a_given_target_is_aligned(tokenizers: Tokenizers) -> None:
    translator = made(tokenizers)
    pairs = [("der Hund rennt", "the dog runs !"), ("die Kuh", "")]
    found = list(translator.align(pairs, settings=settings(length_penalty=2.0)))
    assert [translation.source for translation in found] == ["der Hund rennt", "die Kuh"]
    for (source, target), translation in zip(pairs, found, strict=True):
        [hypothesis] = translation.hypotheses
        ids, written = tokenizers.source.encode(source), tokenizers.target.encode(target)
        assert hypothesis.tokens == (*target.split(), "</s>")
        assert hypothesis.text == target
        log_probs, weights = scored(translator.model, tokens(ids), tokens(written))
        assert hypothesis.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-5)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob / ((5 + len(written) + 1) / 6) ** 2)
        assert weights is not None
        assert hypothesis.weights is not None
        close(torch.from_numpy(hypothesis.weights), weights[0])


def test_without_attention_there_are_no_weights(tokenizers: Tokenizers) -> None:
    translator = made(tokenizers, attention="none")
    [found] = translator.translate(["der Hund"], settings=settings(), with_weights=True, replace_unknown=True)
    [aligned] = translator.align([("der Hund", "the dog")], settings=settings())
    assert found.hypotheses[0].weights is aligned.hypotheses[0].weights is None


def test_json_has_weights_only_where_there_are_any(tokenizers: Tokenizers) -> None:
    for with_weights in (False, True):
        [found] = made(tokenizers).translate(["der Hund"], settings=settings(), with_weights=with_weights)
        [hypothesis] = found.as_json()["hypotheses"]
        assert ("attention" in hypothesis) == with_weights
        assert hypothesis["tokens"] == list(found.hypotheses[0].tokens)
        if with_weights:
            np.testing.assert_allclose(hypothesis["attention"], found.hypotheses[0].weights, atol=1e-6)


@needs_bf16
def test_half_precision_changes_little(tokenizers: Tokenizers) -> None:
    translator = made(tokenizers)
    pairs = [("der Hund rennt", "the dog runs")]
    [exact] = translator.align(pairs, settings=settings())
    [rounded] = translator.align(pairs, settings=settings(precision="bf16"))
    assert rounded.hypotheses[0].log_prob != exact.hypotheses[0].log_prob
    assert rounded.hypotheses[0].log_prob == pytest.approx(exact.hypotheses[0].log_prob, rel=0.1)


STACK = {"kind": "transformer", "hidden_size": 6, "heads": 3, "layers": 2, "feed_forward_size": 9}


def test_a_sentence_is_inspected_with_a_given_or_a_found_translation(tokenizers: Tokenizers) -> None:
    kinds = {"encoder": STACK, "decoder": {**STACK, "heads": 2}, "attention": {"score": "scaled_dot"}}
    translator = made(tokenizers, embedding_size=6, **kinds)
    given, found = translator.inspect(
        [("der Hund rennt", "the dog runs"), ("die Kuh und der Hund", None)], settings=settings()
    )
    assert given.source_tokens == ("der", "Hund", "rennt", "</s>")
    assert given.target_tokens == ("the", "dog", "runs", "</s>")
    assert given.read_tokens == ("<s>", "the", "dog", "runs")
    assert given.target == "the dog runs"
    assert given.encoder is not None
    assert given.decoder is not None
    assert given.cross is not None
    assert (given.encoder.shape, given.decoder.shape, given.cross.shape) == ((2, 3, 4, 4), (2, 2, 4, 4), (2, 2, 4, 4))
    [aligned] = translator.align([("der Hund rennt", "the dog runs")], settings=settings())
    np.testing.assert_allclose(given.cross[-1].mean(0), aligned.hypotheses[0].weights, atol=1e-6)
    [translation] = translator.translate(["die Kuh und der Hund"], settings=settings(), with_weights=True)
    best = translation.hypotheses[0]
    assert (found.target, found.target_tokens) == (best.text, best.tokens)
    assert found.cross is not None
    np.testing.assert_allclose(found.cross[-1].mean(0), best.weights, atol=1e-5)


def test_what_looks_nowhere_has_no_weights(tokenizers: Tokenizers) -> None:
    [found] = made(tokenizers, attention="none").inspect([("der Hund", None)], settings=settings())
    assert (found.encoder, found.decoder, found.cross) == (None, None, None)
    [found] = made(tokenizers).inspect([("der Hund", "the")], settings=settings())
    assert found.encoder is found.decoder is None
    assert found.cross is not None
    assert found.cross.shape == (1, 1, 2, 3)


LOCAL_AND_HARD = {"score": "general", "window": "local_p", "half_width": 1, "selection": "hard"}


def test_windows_and_choices_come_with_the_weights(tokenizers: Tokenizers) -> None:
    translator = made(tokenizers, attention=LOCAL_AND_HARD)
    for found in translator.translate([SOURCES[0], SOURCES[3]], settings=settings(), with_weights=True):
        [forced] = translator.align([(found.source, found.hypotheses[0].text)], settings=settings())
        for translation in (found, forced):
            [hypothesis, *_] = translation.as_json()["hypotheses"]
            assert hypothesis["half_width"] == 1
            weights = np.array(hypothesis["attention"])
            assert weights.shape == (len(hypothesis["tokens"]), len(translation.source_tokens))
            assert hypothesis["chosen"] == weights.argmax(-1).tolist()
            assert len(hypothesis["centres"]) == len(weights)
            for centre, row in zip(hypothesis["centres"], weights, strict=True):
                assert 0 <= centre <= len(row) - 1
                assert all(abs(s - centre) <= 1 for s in row.nonzero()[0])
    [plain] = translator.translate([SOURCES[0]], settings=settings())
    assert not {"attention", "centres", "chosen", "half_width"} & {*plain.as_json()["hypotheses"][0]}


def test_drawn_choices_are_the_same_each_time_and_may_be_asked_for_otherwise(tokenizers: Tokenizers) -> None:
    def chosen(**keys: Any) -> list[list[int]]:
        translator = made(tokenizers, attention={"score": "general", "selection": "hard", **keys})
        found = translator.translate([SOURCES[3]], settings=settings(beam_size=1), with_weights=True)
        return [hypothesis.get("chosen") for hypothesis in next(found).as_json()["hypotheses"]]

    assert chosen(inference="sample") == chosen(inference="sample", sampling_seed=1)
    assert len({str(chosen(inference="sample", sampling_seed=seed)) for seed in range(8)}) > 1
    assert chosen(inference="expectation") == [None]
