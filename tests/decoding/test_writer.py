"""Sentences or images in, sentences out: order, lengths, unknown words, forced targets, bad files.

The tokenizers cut at words. Images are 8 × 8 pixels, which encoders see as 2 × 2 regions.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from marks import needs_bf16
from PIL import Image
from tiny import close, scored, tokens
from tiny_captioner import built_captioner

from attncli.assembly.model import build_model
from attncli.config.search import Search
from attncli.config.sources.images import Preprocessing
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.columns import Places
from attncli.data.tokens import Tokens
from attncli.decoding.search import Hypothesis
from attncli.decoding.strategies import Sampling
from attncli.decoding.writer import Writer
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.errors import CommandError, DataError
from attncli.models.attention import Marks
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.models.rows import map_tensors
from attncli.sources.images.batch import Pixels
from attncli.sources.images.reader import ImageReader
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import EOS, UNK, Tokenizers, train_tokenizers

SOURCES = ["der Hund rennt", "", "Kuh", "die Kuh und der Hund schlafen", "  ", "der Elefant rennt"]
REAL = [0, 2, 3, 5]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    config = TokenizerConfig(kind="word", vocabulary_size=30, shared=False)
    return train_tokenizers(
        config, [(["der Hund die Kuh und rennt schlafen"], ["the dog , a cow and runs sleep !", "the dog"])]
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
    asked = search or settings()
    reader = TextReader(tokenizers.source, limit=asked.max_source_length, cuts=cuts)
    return Writer(sharpened(built, by=3), reader, tokenizers.target, asked)


def sharpened(model: EncoderDecoder, *, by: float) -> EncoderDecoder:
    """Return `model` for evaluation with larger weights, so that what it writes depends on its sources."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(by)
    return model.eval()


def model_of(writer: Writer[Any]) -> EncoderDecoder:
    """Return the one model of `writer`."""
    assert isinstance(writer.model, EncoderDecoder)
    return writer.model


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
    writer = made(tokenizers, settings(batch_size=3))
    seen: list[list[int]] = []
    encode = model_of(writer).encode

    def noted(_: EncoderDecoder, source: Tokens) -> Memory:
        seen.append(source.lengths.tolist())
        return encode(source)

    monkeypatch.setattr(type(writer.model), "encode", noted)
    list(writer.write(SOURCES))
    assert seen == [[7], [2, 4, 4]], "the longest first, so that workers end together"


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
            written = [tokenizers.target.id_of(token) or UNK for token in found.tokens if token != "</s>"]
            if found.tokens[-1] != "</s>":
                continue
            log_probs, weights = scored(model_of(writer), tokens(ids), tokens(written))
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


def test_targets_begin_with_a_prefix_and_tokens_have_log_probabilities(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers)
    for found in writer.write([SOURCES[at] for at in REAL], prefix="the cow"):
        assert found.best.text.split()[:2] == ["the", "cow"]
        [forced] = writer.align([(found.cell, found.best.text)])
        steps = len(found.best.tokens)
        assert found.best.token_log_probs == pytest.approx(forced.best.token_log_probs[:steps], abs=1e-4)
        assert sum(forced.best.token_log_probs) == pytest.approx(forced.best.log_prob, abs=1e-4)


def test_an_unknown_token_is_written_only_where_it_is_asked_for(tokenizers: Tokenizers) -> None:
    def written(search: Search, **asked: Any) -> str:
        writer = made(tokenizers, search)
        with torch.no_grad():
            model_of(writer).decoder.output.classify.bias[UNK] += 50.0
        return next(iter(writer.write(["der Hund rennt"], **asked))).best.text

    assert "⁇" not in written(settings())
    assert set(written(settings(unknown="allow")).split()) == {"⁇"}
    # Each unknown token becomes a word of the source.
    assert set(written(settings(), replaces_unknown=True).split()) <= {"der", "Hund", "rennt"}
    for seed in range(3):
        drawn = written(settings(), strategy=Sampling(seed))
        assert "⁇" not in drawn


def test_an_unknown_token_becomes_the_source_token_most_looked_at(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    the, comma = tokenizers.target.encode("the ,")
    looks = [
        [0.5, 0.3, 0.1, 0.1],
        [0.1, 0.7, 0.1, 0.1],
        [0.3, 0.3, 0.2, 0.2],
        [0.0, 0.1, 0.2, 0.7],
        [0.0, 0.0, 0.0, 1.0],
    ]
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
        log_probs, weights = scored(model_of(writer), tokens(ids), tokens(written))
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
            assert found.best.weights is not None
            np.testing.assert_allclose(hypothesis["attention"], found.best.weights, atol=1e-6)


@needs_bf16
def test_half_precision_changes_little(tokenizers: Tokenizers) -> None:
    pairs = [("der Hund rennt", "the dog runs")]
    [exact] = made(tokenizers).align(pairs)
    [rounded] = made(tokenizers, settings(precision="bf16")).align(pairs)
    assert rounded.hypotheses[0].log_prob != exact.hypotheses[0].log_prob
    assert rounded.hypotheses[0].log_prob == pytest.approx(exact.hypotheses[0].log_prob, rel=0.1)


STACK = {"kind": "transformer", "hidden_size": 6, "heads": 3, "layers": 2, "feed_forward_size": 9}


def test_a_sentence_is_inspected_with_a_given_or_a_found_translation(tokenizers: Tokenizers) -> None:
    decoder = {**STACK, "heads": 2}
    writer = made(tokenizers, embedding_size=6, encoder=STACK, decoder=decoder, attention={"score": "scaled_dot"})
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
    assert aligned.best.weights is not None
    np.testing.assert_allclose(given.cross[-1].mean(0), aligned.best.weights, atol=1e-6)
    [written] = writer.write(["die Kuh und der Hund"], with_weights=True)
    best = written.best
    assert (found.target, found.target_tokens) == (best.text, best.tokens)
    assert found.cross is not None
    assert best.weights is not None
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
                assert 0 <= centre <= len(row)
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


@torch.no_grad()
def assert_forced(model: EncoderDecoder, source: Any, found: WrittenHypothesis, tokenizers: Tokenizers) -> None:
    """Assert that `model`, forced to write what was `found` for `source`, gives the same numbers."""
    ids, steps = ids_of(found, tokenizers), len(found.tokens)
    target = tokens(ids)
    forced = model.force(source, target)
    log_probs = model.log_probs_of(forced, target)[0, :steps]
    assert found.log_prob == pytest.approx(float(log_probs.sum()), rel=1e-5, abs=1e-4)
    assert forced.weights is not None
    assert found.weights is not None
    close(torch.from_numpy(found.weights).flatten(1), forced.weights[0, :steps], tolerance=1e-4)
    assert (found.marks is None) == (forced.marks is None)
    if found.marks is not None and forced.marks is not None:
        assert_same_marks(found.marks, map_tensors(forced.marks, lambda tensor: tensor[0, :steps]))


def assert_same_marks(found: Marks, expected: Marks) -> None:
    assert found.half_width == expected.half_width
    for one, other in ((found.centres, expected.centres), (found.chosen, expected.chosen)):
        assert one is not None
        assert other is not None
        close(one, other, tolerance=1e-4)


def ids_of(found: WrittenHypothesis, tokenizers: Tokenizers) -> list[int]:
    """Return the tokens of `found` without the end symbol."""
    return [tokenizers.target.id_of(token) or UNK for token in found.tokens if token != "</s>"]


def test_every_hypothesis_of_a_beam_has_its_own_weights_windows_and_choices(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers, attention=LOCAL_AND_HARD)
    different = set()
    for each in writer.write([SOURCES[0], SOURCES[3]], n_best=3, with_weights=True):
        for found in each.hypotheses:
            assert_forced(model_of(writer), tokens(tokenizers.source.encode(each.cell)), found, tokenizers)
        different.add(len({str(found.marks.as_json()) for found in each.hypotheses if found.marks}))
    assert max(different) > 1


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the paths of five images of blocks in colours of their own."""
    folder, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    paths = [str(folder / f"{number}.png") for number in range(5)]
    for path in paths:
        blocks = draw.integers(256, size=(4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(2, 0).repeat(2, 1)).save(path)
    return paths


def captioner(
    tokenizers: Tokenizers,
    search: Search | None = None,
    *,
    attention: str = "{score: general}",
    decoder: str = "{hidden_size: 8}",
) -> Writer[Any]:
    model = sharpened(built_captioner(attention, decoder, vocabulary=tokenizers.target.size), by=1.5)
    return Writer(model, ImageReader(Preprocessing(size=8)), tokenizers.target, search or settings())


def pixels_of(path: str) -> Pixels:
    """Return the image in `path` as a batch, as Pillow reads it."""
    with Image.open(path) as image:
        return Pixels(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None])


def test_images_come_back_in_their_order(
    tokenizers: Tokenizers, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = captioner(tokenizers)
    found = list(writer.write(images))
    assert [each.cell for each in found] == images
    alone = [next(writer.write([path])) for path in images]
    assert texts(found) == texts(alone)
    assert len(set(texts(found))) > 2
    monkeypatch.setattr(ImageReader, "ahead", 2)
    assert texts(writer.write(images)) == texts(alone)


def test_images_are_read_two_groups_ahead_and_no_further(
    tokenizers: Tokenizers, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageReader, "ahead", 2)
    waiting = iter(images)
    next(captioner(tokenizers).write(waiting))
    assert next(waiting) == images[4]


def test_captions_of_images_are_what_the_model_gives_them(tokenizers: Tokenizers, images: list[str]) -> None:
    writer = captioner(tokenizers, settings(length_penalty=0.5))
    for each in writer.write(images, n_best=2, with_weights=True):
        assert each.places == Places(grid=(2, 2))
        assert len(each.hypotheses) == 2
        for found in each.hypotheses:
            assert_forced(model_of(writer), pixels_of(each.cell), found, tokenizers)
            assert found.score == pytest.approx(found.log_prob / ((5 + len(found.tokens)) / 6) ** 0.5)
            assert found.weights is not None
            assert found.weights.shape == (len(found.tokens), 2, 2)


def test_json_of_an_image_has_its_path_and_weights_by_rows(tokenizers: Tokenizers, images: list[str]) -> None:
    for with_weights in (False, True):
        [found] = captioner(tokenizers).write(images[:1], with_weights=with_weights)
        told = found.as_json(name="path")
        assert told.keys() == {"path", "hypotheses"}
        assert told["path"] == images[0]
        [hypothesis] = told["hypotheses"]
        assert ("attention" in hypothesis) == with_weights
        if with_weights:
            assert np.shape(hypothesis["attention"]) == (len(hypothesis["tokens"]), 2, 2)


def test_windows_and_choices_in_an_image_are_rows_and_columns(tokenizers: Tokenizers, images: list[str]) -> None:
    attention = "{score: additive, window: local_p, half_width: 1, selection: hard}"
    writer = captioner(tokenizers, attention=attention)
    for each in writer.write(images, n_best=3, with_weights=True):
        for found in each.hypotheses:
            assert_forced(model_of(writer), pixels_of(each.cell), found, tokenizers)
        for hypothesis in each.as_json(name="path")["hypotheses"]:
            weights = np.array(hypothesis["attention"])
            assert hypothesis["chosen"] == weights.reshape(-1, 4).argmax(-1).tolist(), "row by row"
            assert np.shape(hypothesis["centres"]) == (len(weights), 2)
            assert np.min(hypothesis["centres"]) >= 0
            assert np.max(hypothesis["centres"]) <= 2
            assert hypothesis["half_width"] == 1


def test_a_given_caption_is_aligned_with_its_image(tokenizers: Tokenizers, images: list[str]) -> None:
    writer = captioner(tokenizers, settings(length_penalty=2.0))
    pairs = [(images[1], "the dog runs !"), (images[0], "")]
    found = list(writer.align(pairs))
    assert [each.cell for each in found] == images[1::-1]
    for (path, target), each in zip(pairs, found, strict=True):
        [hypothesis] = each.hypotheses
        assert each.places == Places(grid=(2, 2))
        assert (hypothesis.text, hypothesis.tokens) == (target, (*target.split(), "</s>"))
        assert_forced(model_of(writer), pixels_of(path), hypothesis, tokenizers)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob / ((5 + len(hypothesis.tokens)) / 6) ** 2)
        assert hypothesis.weights is not None
        assert hypothesis.weights.shape == (len(hypothesis.tokens), 2, 2)


LAYERS = "{kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9, layers: 2}"


def test_an_image_is_inspected_with_a_given_or_a_found_caption(tokenizers: Tokenizers, images: list[str]) -> None:
    writer = captioner(tokenizers, attention="{score: scaled_dot}", decoder=LAYERS)
    given, found = writer.inspect([(images[0], "the dog runs"), (images[1], None)])
    assert (given.cell, given.target, given.places) == (images[0], "the dog runs", Places(grid=(2, 2)))
    assert given.target_tokens == ("the", "dog", "runs", "</s>")
    assert given.read_tokens == ("<s>", "the", "dog", "runs")
    assert given.encoder is None
    assert given.decoder is not None
    assert given.cross is not None
    assert (given.decoder.shape, given.cross.shape) == ((2, 2, 4, 4), (2, 2, 4, 4))
    [aligned] = writer.align([(images[0], "the dog runs")])
    assert aligned.best.weights is not None
    np.testing.assert_allclose(given.cross[-1].mean(0), aligned.best.weights.reshape(4, 4), atol=1e-6)
    [written] = writer.write(images[1:2], with_weights=True)
    best = written.best
    assert (found.cell, found.target, found.target_tokens) == (images[1], best.text, best.tokens)
    assert found.cross is not None
    assert best.weights is not None
    np.testing.assert_allclose(found.cross[-1].mean(0), best.weights.reshape(-1, 4), atol=1e-5)


def test_what_looks_nowhere_in_an_image_has_no_weights(tokenizers: Tokenizers, images: list[str]) -> None:
    writer = captioner(tokenizers, attention="none")
    [found] = writer.inspect([(images[0], "the")])
    assert (found.encoder, found.decoder, found.cross) == (None, None, None)
    [written] = writer.write(images[:1], with_weights=True)
    [aligned] = writer.align([(images[0], "the")])
    assert written.best.weights is aligned.best.weights is None


@needs_bf16
def test_half_precision_changes_little_of_an_image(tokenizers: Tokenizers, images: list[str]) -> None:
    pairs, asked = [(images[0], "the dog runs")], {"attention": "{score: scaled_dot}", "decoder": LAYERS}
    exact, rounded = (captioner(tokenizers, settings(precision=kind), **asked) for kind in ("fp32", "bf16"))
    [one], [other] = exact.align(pairs), rounded.align(pairs)
    assert other.best.log_prob != one.best.log_prob
    assert other.best.log_prob == pytest.approx(one.best.log_prob, rel=0.1)
    [plain], [found] = exact.inspect(pairs), rounded.inspect(pairs)
    assert found.cross is not None
    assert plain.cross is not None
    np.testing.assert_allclose(found.cross, plain.cross, atol=0.05)


def test_captions_are_drawn_by_a_seed_and_have_the_models_log_probability(
    tokenizers: Tokenizers, images: list[str]
) -> None:
    writer = captioner(tokenizers)

    def drawn(seed: int) -> list[Written]:
        strategy = Sampling(seed, temperature=1.5)
        return list(writer.write(images, n_best=3, with_weights=True, strategy=strategy))

    first, again, other = drawn(1), drawn(1), drawn(2)
    shown = [[[found.tokens for found in each.hypotheses] for each in draws] for draws in (first, again, other)]
    assert shown[0] == shown[1] != shown[2]
    for each in first:
        assert len(each.hypotheses) == 3
        for found in each.hypotheses:
            assert_forced(model_of(writer), pixels_of(each.cell), found, tokenizers)


def test_draws_depend_on_the_row_of_a_source_and_not_on_its_batch(
    tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Equal sources get draws of their own.
    sources = [*SOURCES, "Kuh", "Kuh", "Kuh"]

    def drawn(size: int, *, first: int = 0) -> list[list[str]]:
        writer, strategy = made(tokenizers, settings(batch_size=size)), Sampling(3, temperature=2.0)
        found = writer.write(sources[first:], n_best=2, strategy=strategy, first=first)
        return [[hypothesis.text for hypothesis in each.hypotheses] for each in found]

    expected = drawn(64)
    assert len({tuple(texts) for texts in expected[-3:]}) > 1
    assert drawn(1) == drawn(2) == expected
    monkeypatch.setattr(TextReader, "ahead", 4)
    assert drawn(2) == expected
    assert drawn(2, first=5) == expected[5:]


@pytest.fixture
def mixed(images: list[str], tmp_path: Path) -> list[str]:
    """Return the paths of good images among bad ones, which are at 1, 3, 4, and 7."""
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    bad, empty, missing = (str(tmp_path / name) for name in ("text.png", "empty.png", "missing.png"))
    return [images[0], bad, images[1], empty, missing, images[2], images[3], bad]


def problems_of(mixed: list[str]) -> dict[int, str]:
    messages = {
        1: "not an image of a known kind",
        3: "an empty file, not an image",
        4: "no such file",
        7: "not an image of a known kind",
    }
    return {at: f"{mixed[at]}: {message}" for at, message in messages.items()}


@pytest.mark.parametrize("ahead", [128, 1])
def test_bad_files_are_problems_of_their_own_among_good_ones(
    tokenizers: Tokenizers, mixed: list[str], monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    monkeypatch.setattr(ImageReader, "ahead", ahead)
    writer = captioner(tokenizers)
    found = list(writer.write(mixed))
    assert [each.cell for each in found] == mixed
    problems = problems_of(mixed)
    assert {at: str(each.problem) for at, each in enumerate(found) if each.problem is not None} == problems
    assert all(found[at].hypotheses == () and isinstance(found[at].problem, DataError) for at in problems)
    good = [at for at in range(len(mixed)) if at not in problems]
    assert texts(found[at] for at in good) == [next(writer.write([mixed[at]])).best.text for at in good]


def test_captions_are_aligned_with_the_good_files_among_bad_ones(tokenizers: Tokenizers, mixed: list[str]) -> None:
    writer, words = captioner(tokenizers), ["the", "dog", "cow", "a", "runs", "sleep", "and", "!"]
    found = list(writer.align(zip(mixed, words, strict=True)))
    problems = problems_of(mixed)
    assert {at: str(each.problem) for at, each in enumerate(found) if each.problem is not None} == problems
    for at, each in enumerate(found):
        if at not in problems:
            assert each.best.text == words[at]
            assert_forced(model_of(writer), pixels_of(mixed[at]), each.best, tokenizers)


def test_a_bad_file_cannot_be_inspected(tokenizers: Tokenizers, mixed: list[str]) -> None:
    found = captioner(tokenizers).inspect((path, "the dog") for path in mixed)
    assert next(found).cell == mixed[0]
    with pytest.raises(DataError) as caught:
        next(found)
    assert str(caught.value) == problems_of(mixed)[1]


NETWORKS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "local": {"attention": {"score": "general", "window": "local_p", "half_width": 2}},
    "hard": {"attention": {"score": "general", "selection": "hard"}},
    "deep": {"decoder": {"hidden_size": 6, "query": "previous_state", "bridge": "zero", "readout": "deep"}},
    "transformer": {
        "encoder": {"kind": "transformer", "hidden_size": 6, "heads": 2, "feed_forward_size": 9},
        "attention": {"score": "scaled_dot"},
        "decoder": {"kind": "transformer", "hidden_size": 6, "heads": 2, "feed_forward_size": 9},
        "embedding_size": 6,
    },
}


@pytest.mark.parametrize("network", NETWORKS)
def test_another_process_gets_a_writer_that_writes_the_same(tokenizers: Tokenizers, network: str) -> None:
    writer = made(tokenizers, **NETWORKS[network])
    list(writer.write(SOURCES))  # caches and packed weights, too
    twin = pickle.loads(pickle.dumps(writer))
    found = [each.write(SOURCES, with_weights=True) for each in (writer, twin)]
    for one, other in zip(*found, strict=True):
        assert pickle.loads(pickle.dumps(one)).as_json(name="source") == other.as_json(name="source")


def test_workers_are_for_cpus(tokenizers: Tokenizers) -> None:
    writer = made(tokenizers)
    with pytest.raises(CommandError) as raised, replace(writer, model=writer.model.to("meta")).side_by_side(2):
        pass
    assert str(raised.value) == (
        "--workers 2: is for CPUs, but the device is meta, which is busy with one batch at a time; leave it out, or "
        "add --device cpu"
    )
