"""Corpora of sources with their targets, and batches of them: what is read ahead is what is read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.columns import ReadColumn
from attncli.data.corpus import Batch, Corpus, CorpusBatches, reference_sets
from attncli.data.tokens import TokenColumn
from attncli.sources.images.batch import Pixels
from attncli.sources.images.reader import ImageReader
from attncli.text.tokenizer import EOS, train_tokenizers

CAPTIONS = (("a dog",), ("a cow runs", "a cow", "the cow"), ("a cat", "one cat"))
TOKENIZER = train_tokenizers(
    TokenizerConfig(kind="word", vocabulary_size=20), [([text for texts in CAPTIONS for text in texts], ())]
).target


def corpus_of(folder: Path, pool: ThreadPoolExecutor | None = None) -> Corpus:
    cells = []
    for at in range(len(CAPTIONS)):
        path = folder / f"{at}.png"
        if not path.exists():
            Image.effect_noise((20 + at, 30), 90).save(path)
        cells.append(str(path))
    reader = ImageReader(Preprocessing(size=16), Augmentation(flip=True, smallest_crop=0.5))
    return Corpus(
        ReadColumn(cells, np.ones(len(cells), np.int32), reader, pool),
        TokenColumn.of(TOKENIZER.encode_all([text for texts in CAPTIONS for text in texts])),
        np.repeat(np.arange(len(CAPTIONS)), [len(texts) for texts in CAPTIONS]),
        cells,
        CAPTIONS,
    )


def pixels(batches: Sequence[Batch], at: int) -> torch.Tensor:
    source = batches[at].source
    assert isinstance(source, Pixels)
    return source.pixels


def test_targets_know_their_source_and_end_with_the_end_symbol(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    assert (len(corpus), corpus.sources) == (6, 3)
    assert corpus.source_of.tolist() == [0, 1, 1, 1, 2, 2]
    assert corpus.first_examples.tolist() == [0, 1, 4]
    assert corpus.source_lengths.tolist() == [1] * 6
    assert corpus.target_lengths.tolist() == [3, 4, 3, 3, 3, 3]
    assert all(corpus.target.row(at)[-1] == EOS for at in range(6))
    batch = corpus.batch(np.array([1, 5]), Pixels(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)))
    assert (batch.size, batch.terms) == (7, 7)
    assert TOKENIZER.decode(batch.target.ids[1].tolist()) == "one cat"


def test_tokens_of_a_source_count_in_the_size_of_a_batch() -> None:
    source, target = TokenColumn.of([[5, 6], [7]]), TokenColumn.of([[4], [4, 5, 6]])
    corpus = Corpus(source, target, np.arange(2), (), ())
    rows = np.array([1, 0])
    batch = corpus.batch(rows, source.start(rows, None)())
    assert (batch.size, batch.terms) == (2 + 3 + 4 + 2, 4 + 2)
    assert batch.source.ids.tolist() == [[7, EOS, 0], [5, 6, EOS]]


def test_references_are_sets_with_gaps() -> None:
    assert reference_sets(CAPTIONS) == [
        ["a dog", "a cow runs", "a cat"],
        [None, "a cow", "one cat"],
        [None, "the cow", None],
    ]


def test_what_is_read_ahead_is_what_is_read_one_by_one(tmp_path: Path) -> None:
    rows = [np.array([4, 0]), np.array([1, 5]), np.array([2, 3])]
    plain = corpus_of(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        threaded = corpus_of(tmp_path, pool)
        ahead = CorpusBatches(threaded, rows, threaded.batch, variation=(1, 1), ahead=2)
        alone = CorpusBatches(plain, rows, plain.batch, variation=(1, 1))
        other = CorpusBatches(plain, rows, plain.batch, variation=(1, 2))
        still = CorpusBatches(plain, rows, plain.batch, variation=None)
        assert len(ahead) == 3
        # Also from the middle, as a resumed run does.
        for at in (1, 2, 0):
            assert torch.equal(pixels(ahead, at), pixels(alone, at))
            assert not torch.equal(pixels(ahead, at), pixels(other, at))
            assert not torch.equal(pixels(still, at), pixels(alone, at))
    # How an example is varied does not hang on its place in a batch.
    turned = CorpusBatches(plain, [rows[0][::-1]], plain.batch, variation=(1, 1))
    assert torch.equal(pixels(turned, 0).flip(0), pixels(alone, 0))
    # The captions 2 and 3 are of one image, and each sees it in its own way.
    varied, whole = pixels(alone, 2), pixels(still, 2)
    assert torch.equal(whole[0], whole[1])
    assert not torch.equal(varied[0], varied[1])
