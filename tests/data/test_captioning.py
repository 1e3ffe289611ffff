"""Batches of captions: their pictures read ahead on threads are those read one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from attncli.data.captioning import (
    CaptionBatches,
    FeatureReader,
    MirroringFeatureReader,
    PixelReader,
    encoded,
    reference_sets,
    varied_square,
    without_bad_pictures,
)
from PIL import Image

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.forms.captions import CaptionedPicture
from attncli.sources.images.batch import Features, Pixels
from attncli.sources.images.features import StoredFeatures
from attncli.text.tokenizer import EOS, train_tokenizers

CAPTIONS = (("a dog",), ("a cow runs", "a cow", "the cow"), ("a cat", "one cat"))
TOKENIZER = train_tokenizers(
    TokenizerConfig(kind="word", vocabulary_size=20), [text for texts in CAPTIONS for text in texts], ()
).target


def pictures(folder: Path) -> list[CaptionedPicture]:
    found = []
    for at, texts in enumerate(CAPTIONS):
        path = folder / f"{at}.png"
        Image.effect_noise((20 + at, 30), 90).save(path)
        found.append(CaptionedPicture(path, texts))
    return found


def test_captions_know_their_picture_and_end_with_the_end_symbol(tmp_path: Path) -> None:
    corpus = encoded(pictures(tmp_path), TOKENIZER)
    assert corpus.picture_of.tolist() == [0, 1, 1, 1, 2, 2]
    assert corpus.target_lengths.tolist() == [3, 4, 3, 3, 3, 3]
    assert all(corpus.captions.row(at)[-1] == EOS for at in range(6))
    batch = corpus.batch(np.array([1, 5]), Pixels(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)))
    assert (batch.size, batch.terms) == (7, 7)
    assert TOKENIZER.decode(batch.target.ids[1].tolist()) == "one cat"


def test_references_are_sets_with_gaps() -> None:
    assert reference_sets(CAPTIONS) == [
        ["a dog", "a cow runs", "a cat"],
        [None, "a cow", "one cat"],
        [None, "the cow", None],
    ]


def test_bad_pictures_leave_with_their_captions(tmp_path: Path) -> None:
    corpus = encoded(pictures(tmp_path), TOKENIZER)
    kept = without_bad_pictures(corpus, {tmp_path / "1.png"}, TOKENIZER)
    assert kept.picture_of.tolist() == [0, 1, 1]
    assert without_bad_pictures(corpus, set(), TOKENIZER) is corpus


def test_what_is_read_ahead_is_what_is_read_one_by_one(tmp_path: Path) -> None:
    corpus = encoded(pictures(tmp_path), TOKENIZER)
    augmentation = Augmentation(flip=True, smallest_crop=0.5)

    def read(epoch: int, path: Path, caption: int) -> np.ndarray:
        return varied_square(path, Preprocessing(size=16), augmentation, (1, epoch, caption))

    rows = [np.array([4, 0]), np.array([1, 5]), np.array([2, 3])]
    with ThreadPoolExecutor(2) as pool:
        ahead = CaptionBatches(rows, PixelReader(corpus, partial(read, 1), pool), corpus.batch, ahead=2)
        alone = CaptionBatches(rows, PixelReader(corpus, partial(read, 1), None), corpus.batch, ahead=0)
        other = CaptionBatches(rows, PixelReader(corpus, partial(read, 2), None), corpus.batch, ahead=0)
        assert len(ahead) == 3
        # Also from the middle, as a resumed run does.
        for at in (1, 2, 0):
            sources = [batches[at].source for batches in (ahead, alone, other)]
            assert all(isinstance(source, Pixels) for source in sources)
            first, second, third = (source.pixels for source in sources if isinstance(source, Pixels))
            assert torch.equal(first, second)
            assert not torch.equal(first, third)


def test_stored_features_are_those_of_mirror_images_half_of_the_time(tmp_path: Path) -> None:
    corpus = encoded(pictures(tmp_path), TOKENIZER)

    def stored(first: int) -> StoredFeatures:
        # Pixels are told by their values: two regions of three channels, and a pooled vector of one.
        return StoredFeatures(first + np.arange(3)[:, None] + np.zeros((3, 7), np.float16), np.arange(3), (1, 2), 3)

    def read(epoch: int, captions: np.ndarray) -> list[float]:
        reader = MirroringFeatureReader(FeatureReader(corpus, stored(0)), stored(100), (1, epoch))
        found = reader.start(captions)()
        assert isinstance(found, Features)
        for at in range(len(captions)):
            assert found.regions[at].unique().tolist() == [found.pooled[at].item()]
        return found.pooled[:, 0].tolist()

    order = np.array([3, 0, 5])
    seen = np.array([read(epoch, order) for epoch in range(200)])
    assert (seen % 100 == corpus.picture_of[order]).all()
    # Each by itself: 200 draws are 100 +- 7.
    assert (abs((seen >= 100).sum(0) - 100) < 30).all()
    assert read(4, order) == read(4, order)
    # A caption's draw does not hang on the batch it is in.
    assert read(4, order[::-1])[::-1] == read(4, order)
