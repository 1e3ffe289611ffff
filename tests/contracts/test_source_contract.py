"""What holds for every kind of source: reading, packing, encoding, and drawing where a model looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import films
import numpy as np
import pytest
import recordings
import tiny
import tiny_captioner
import torch
from numbers_kind import Numbers, NumbersConfig, NumbersEncoder
from PIL import Image

from attncli.assembly.model import build_model
from attncli.config.load import CONFIGS, check_config
from attncli.config.sources.encoder import EncoderSection
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.config.writing import WritingConfig
from attncli.data.corpus import Corpus, CorpusBatches
from attncli.data.direction import Backwards
from attncli.data.tokens import TokenColumn
from attncli.decoding.writer import Writer
from attncli.errors import DataError
from attncli.models.build import needs_of
from attncli.sources.kinds import KINDS, kind_of
from attncli.sources.source import Look, Shared
from attncli.sources.video.batch import Films
from attncli.text.tokenizer import Tokenizer, Tokenizers, train_tokenizers

SENTENCES = ["der Hund rennt", "Kuh", "die Kuh und der Hund schlafen", "der Hund"]
TOKENIZER = train_tokenizers(TokenizerConfig(kind="word", vocabulary_size=30), [(SENTENCES, SENTENCES)]).target
ATTENDING = "{hidden_size: 8}"


@dataclass(frozen=True)
class Case:
    """A configuration, and sources for it: four good ones, of different lengths where there are any, and a bad one."""

    config: WritingConfig
    cells: list[str]
    bad: str | None

    @property
    def section(self) -> Any:
        return self.config.model.encoder

    @property
    def shared(self) -> Shared:
        return Shared(self.config, Tokenizers(TOKENIZER, TOKENIZER))


def _text(overrides: tuple[str, ...]) -> Callable[[Path], Case]:
    return lambda folder: Case(tiny.configured(*overrides), SENTENCES, None)


def _images(folder: Path) -> Case:
    cells = []
    for at, size in enumerate(((9, 12), (20, 8), (8, 8), (31, 30))):
        path = folder / f"{at}.png"
        Image.effect_noise(size, 80).convert("RGB").save(path)
        cells.append(str(path))
    (folder / "bad.png").write_text("nothing")
    return Case(tiny_captioner.configured("{score: additive}", ATTENDING), cells, str(folder / "bad.png"))


def _recordings(encoder: str) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        seconds = (0.31, 0.02, 0.2, 0.14)
        cells = [
            str(recordings.write_wav(folder / f"{at}.wav", recordings.tone(length, 90 + 50 * at)))
            for at, length in enumerate(seconds)
        ]
        (folder / "bad.wav").write_text("nothing")
        masks = ", spec_augment: {band_masks: 1, band_width: 3, time_masks: 1, time_share: 0.5}"
        config = recordings.configured(encoder, masks)
        config = config.model_copy(update={"data": config.data.model_copy(update={"cache": str(folder / "cache")})})
        return Case(config, cells, str(folder / "bad.wav"))

    return case


def _films(*keys: str) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        cells = [
            str(films.write_animation(folder / f"{at}.webp", films.noise(count, seed=at)))
            for at, count in enumerate((3, 9, 1, 2))
        ]
        (folder / "bad.webp").write_bytes(b"RIFF....WEBP")
        return Case(films.configured(*keys), cells, str(folder / "bad.webp"))

    return case


def _numbers(folder: Path) -> Case:
    values = {
        "task": "numbers",
        "data": {key: {"source": "a", "target": "b"} for key in ("train", "dev")},
        "model": {"embedding_size": 6, "decoder": {"hidden_size": 8}},
        "training": {"max_steps": 1},
    }
    config = check_config(values, where="numbers")
    assert isinstance(config, NumbersConfig)
    return Case(config, ["1 2 3", "7", "0 0 1 4 5", "9 8"], "1 two")


CASES: dict[str, Callable[[Path], Case]] = {
    "recurrent": _text(()),
    "lstmn": _text(("model.encoder={kind: lstmn, hidden_size: 10}",)),
    "transformer": _text(
        ("model.encoder={kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9, layers: 1}",)
    ),
    "convolutional": _text(("model.encoder={kind: convolutional, hidden_size: 10, kernel_size: 5}",)),
    "cnn": _images,
    "frames": _films(),
    "spectrogram": _recordings(recordings.TINY),
    "numbers": _numbers,
}
WITHOUT_WEIGHTS_TO_TEST = {"efficientnet_lite0", "timm"}  # networks as large as they are; their own tests hold them


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONFIGS, "numbers", NumbersConfig)
    section: type[EncoderSection] = NumbersEncoder
    monkeypatch.setitem(KINDS, section, Numbers)


# Further encoders of a kind.
MORE: dict[str, Callable[[Path], Case]] = {
    "frames and their regions": _films("regions: true", "positions: sinusoidal", "frame_vector: map"),
    "spectrogram with a pyramid": _recordings(
        "{subsampling: {kind: pyramid, hidden_size: 6}, network: {hidden_size: 10, layers: 2}, differences: 1}"
    ),
    "spectrogram with a transformer": _recordings(
        "{subsampling: {layers: 1, channels: 3}, differences: 2, "
        "network: {kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9, layers: 1}}"
    ),
    "spectrogram with convolutions": _recordings(
        "{subsampling: {layers: 1, channels: 2}, network: {kind: convolutional, hidden_size: 6, layers: 3}}"
    ),
    "spectrogram with an lstmn": _recordings(
        "{subsampling: {layers: 3, channels: 2}, network: {kind: lstmn, hidden_size: 10}}"
    ),
}


@pytest.fixture(params=[*CASES, *MORE])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    torch.manual_seed(1)
    return {**CASES, **MORE}[request.param](tmp_path)


def test_every_kind_is_tested() -> None:
    kinds = {str(section.model_fields["kind"].default) for section in KINDS if not section.is_joint}
    assert kinds == set(CASES) | WITHOUT_WEIGHTS_TO_TEST


def test_a_batch_is_encoded_as_its_sources_alone(case: Case) -> None:
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size).eval()
    reader = kind_of(case.section).reader(case.section, case.shared)
    items = [reader.read(cell) for cell in case.cells]
    with torch.no_grad():
        together = model.encode(reader.pack(items))
        assert len(reader.pack(items)) == len(items)
        for at, item in enumerate(items):
            alone = model.encode(reader.pack([item]))
            real = int(alone.mask.sum())
            assert int(together.mask[at].sum()) == real
            torch.testing.assert_close(together.states[at, :real], alone.states[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(together.summary[at], alone.summary[0], atol=1e-5, rtol=1e-5)
    assert together.states.shape[2] == model.encoder.memory_size == (case.section.width or model.encoder.memory_size)
    assert (together.parts[0].grid is not None) == (case.section.axes > 1)


def test_places_are_as_many_as_the_memory_has_positions(case: Case) -> None:
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size).eval()
    writer = writer_of(case, model)
    for cell, found in zip(case.cells, writer.write(case.cells, with_weights=True), strict=True):
        assert found.cell == cell
        assert found.best.weights is not None
        positions = found.best.weights[0].size
        if found.places.tokens is not None:
            assert len(found.places.tokens) == positions
        if found.places.grid is not None:
            assert found.best.weights.shape[1:] == found.places.grid
        np.testing.assert_allclose(found.best.weights.reshape(len(found.best.tokens), -1).sum(1), 1, atol=1e-5)


def test_what_cannot_be_read_is_named_and_the_others_are_written(case: Case) -> None:
    if case.bad is None:
        pytest.skip("every line is a sentence")
    reader = kind_of(case.section).reader(case.section, case.shared)
    with pytest.raises(DataError, match=r".+") as caught:
        reader.read(case.bad)
    assert str(caught.value).startswith(case.bad)
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size).eval()
    cells = [*case.cells[:2], case.bad, *case.cells[2:]]
    found = list(writer_of(case, model).write(cells))
    assert [each.problem is None for each in found] == [True, True, False, True, True]
    assert [each.best.text for each in found if each.problem is None] == [
        each.best.text for each in writer_of(case, model).write(case.cells)
    ]
    encoder = model.encoder
    lengths = kind_of(case.section).lengths(cells, case.section, case.shared, encoder)
    assert [isinstance(length, DataError) for length in lengths] == [False, False, True, False, False]


def test_what_lasts_is_read_and_drawn_backwards_if_its_cell_says_so(case: Case, tmp_path: Path) -> None:
    if not case.section.lasts:
        pytest.skip("it has no direction")
    kind, cells = kind_of(case.section), [case.cells[0], Backwards(case.cells[0])]
    reader = kind.reader(case.section, case.shared)
    items = [reader.read(cell) for cell in cells]
    assert reader.length(items[0]) == reader.length(items[1]) > 1
    read = tensor_of(reader.pack(items))
    assert not torch.equal(read[0], read[1])
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size).eval()
    lengths = [reader.length(item) for item in items]
    column = kind.column(cells, lengths, case.section, case.shared, model.encoder, varies=False)
    # Kept features of sound are in half precision.
    torch.testing.assert_close(tensor_of(column.start(np.arange(2), None)()), read, atol=2e-3, rtol=2e-3)
    found = list(writer_of(case, model).write(cells, with_weights=True))
    told, page = (
        next(kind.drawer(case.section).draw(found, tmp_path, format, look=Look("run"), forced=False, tell=print))
        for format in ("json", "html")
    )
    marked = f"{cells[0]} (backwards)"
    assert [each[case.section.noun] for each in json.loads(told.read_text())] == [cells[0], marked]
    assert marked in page.read_text()


def test_what_an_epoch_sees_depends_on_seed_epoch_and_example_alone(case: Case) -> None:
    kind = kind_of(case.section)
    if case.section.is_text:
        column: Any = TokenColumn.of(TOKENIZER.encode_all(case.cells))
    else:
        model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size)
        found = kind.lengths(case.cells, case.section, case.shared, model.encoder)
        lengths = [length for length in found if isinstance(length, int)]
        column = kind.column(case.cells, lengths, case.section, case.shared, model.encoder, varies=True)
    target = TokenColumn.of(TOKENIZER.encode_all(SENTENCES))
    corpus = Corpus(column, target, np.arange(4), case.cells, [(text,) for text in SENTENCES])

    def seen(rows: list[list[int]], variation: tuple[int, int] | None) -> list[torch.Tensor]:
        batches = CorpusBatches(corpus, [np.array(row) for row in rows], corpus.batch, variation=variation, ahead=1)
        found: dict[int, torch.Tensor] = {}
        for number, row in enumerate(rows):
            values = tensor_of(batches[number].source)
            found.update({example: values[at] for at, example in enumerate(row)})
        return [found[example] for example in sorted(found)]

    first, again = seen([[2, 0], [3, 1]], (1, 4)), seen([[2, 0], [3, 1]], (1, 4))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    alone = seen([[0], [1], [2], [3]], (1, 4))
    for one, other in zip(first, alone, strict=True):
        size = min(one.shape[0], other.shape[0])
        assert torch.equal(one[:size], other[:size])


def test_an_encoder_makes_no_more_than_the_decoder_reads(case: Case) -> None:
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size)
    assert needs_of(case.config.model).states
    reader = kind_of(case.section).reader(case.section, case.shared)
    source = reader.pack([reader.read(cell) for cell in case.cells])
    target = TokenColumn.of(TOKENIZER.encode_all(SENTENCES)).batch(np.arange(4))
    model.loss(source, target, label_smoothing=0.0).total.backward()  # type: ignore[no-untyped-call]
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_weights_are_drawn_in_every_format_that_is_named(case: Case, tmp_path: Path) -> None:
    model = build_model(case.config, source_vocabulary=TOKENIZER.size, target_vocabulary=TOKENIZER.size).eval()
    drawer = kind_of(case.section).drawer(case.section)
    found = list(writer_of(case, model).write(case.cells[:2], with_weights=True))
    for format in drawer.formats:
        folder = tmp_path / format
        folder.mkdir()
        paths = list(drawer.draw(found, folder, format, look=Look("run, step 1"), forced=False, tell=lambda line: None))
        assert paths
        assert sorted(paths) == sorted(folder.iterdir())
        assert {path.suffix for path in paths} == {f".{format}"}
        assert all(path.stat().st_size for path in paths)


def writer_of(case: Case, model: Any) -> Writer[Any]:
    reader = kind_of(case.section).reader(case.section, case.shared)
    search = case.config.search.model_copy(update={"beam_size": 2, "max_length": 5, "batch_size": 3})
    tokenizer: Tokenizer = TOKENIZER
    return Writer(model, reader, tokenizer, search)


def tensor_of(source: Any) -> torch.Tensor:
    """Return the values of a packed batch, rows first."""
    if isinstance(source, Films):
        return source.shape.padded(source.frames.pixels)
    for name in ("ids", "pixels", "values"):
        if isinstance(values := getattr(source, name, None), torch.Tensor):
            return values
    raise AssertionError(source)
