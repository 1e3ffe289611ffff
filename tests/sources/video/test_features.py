"""A fixed network reads the frames of each film once; what is kept is what it makes of them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import films
import numpy as np
import pytest
import torch

from attncli.config.sources.images import CNN, Augmentation
from attncli.config.sources.video import Frames
from attncli.data.direction import Backwards
from attncli.errors import DataError
from attncli.models.build import Needs
from attncli.sources.images.batch import Features
from attncli.sources.images.kind import encoded
from attncli.sources.source import Shared
from attncli.sources.video.batch import Films
from attncli.sources.video.encoder import FilmEncoder
from attncli.sources.video.features import _fingerprint
from attncli.sources.video.kind import Video
from attncli.sources.video.reader import FilmReader
from attncli.text.tokenizer import Tokenizer, Tokenizers

LENGTHS = [3, 1, 4]


class Fixture:
    """Three films, and a network over frames that is fixed."""

    def __init__(self, folder: Path, *keys: str):
        self.cells = [
            str(films.write_animation(folder / f"{at}.webp", films.noise(count, seed=at)))
            for at, count in enumerate((3, 1, 9))
        ]
        self.config = films.configured(*keys, cache=str(folder / "cache"))
        self.section = cast(Frames, self.config.model.encoder)
        torch.manual_seed(1)
        needs = Needs(states=True, summary=True)
        self.encoder: FilmEncoder = Video().encoder(self.section, self.config.model, needs, vocabulary=0).eval()

    @property
    def shared(self) -> Shared:
        return Shared(self.config, Tokenizers(Tokenizer, Tokenizer))  # type: ignore[arg-type]

    def column(self, *, varies: bool = False) -> Any:
        return Video().column(self.cells, LENGTHS, self.section, self.shared, self.encoder, varies=varies)

    def read(self, rows: list[int], seeds: Any = None, *, varies: bool = False) -> Films[Features]:
        found: Films[Features] = self.column(varies=varies).start(np.array(rows), seeds)()
        return found


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CNN, "is_fixed", property(lambda self: True))


@pytest.mark.parametrize("keys", [(), ("frame_vector: map",), ("regions: true",)])
def test_kept_features_give_the_memory_of_the_film(keys: tuple[str, ...], tmp_path: Path) -> None:
    found = Fixture(tmp_path, *keys)
    reader = FilmReader(found.section)
    with torch.no_grad():
        read = found.encoder(reader.pack([reader.read(found.cells[row]) for row in (2, 0)]))
        kept = found.encoder(found.read([2, 0]))
    torch.testing.assert_close(kept.states, read.states, atol=5e-3, rtol=5e-3)
    assert torch.equal(kept.mask, read.mask)


def test_pooled_vectors_alone_are_kept_where_no_region_is_read(tmp_path: Path) -> None:
    assert Fixture(tmp_path).read([0, 1]).frames.regions.shape == (4, 0, 5)
    assert Fixture(tmp_path, "regions: true").read([0, 1]).frames.regions.shape == (4, 4, 5)


def test_a_film_that_is_kept_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Fixture(tmp_path)
    assert Video().lengths(found.cells, found.section, found.shared, found.encoder) == LENGTHS
    first = found.read([0, 1, 2])

    def refuse(self: FilmReader, cell: str, **_: Any) -> None:
        raise AssertionError(cell)

    monkeypatch.setattr(FilmReader, "read", refuse)
    assert Video().lengths(found.cells, found.section, found.shared, found.encoder) == LENGTHS
    assert torch.equal(found.read([0, 1, 2]).frames.pooled, first.frames.pooled)


def test_a_film_of_which_a_part_is_kept_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Fixture(tmp_path)
    monkeypatch.setattr("attncli.sources.video.features._TOGETHER", 2)
    count = 0

    def killed(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:  # batches of two: 3 and 1 frames, then the last two of the third film
            raise KeyboardInterrupt
        return encoded(*arguments, **options)

    monkeypatch.setattr("attncli.sources.video.kind.encoded", killed)
    with pytest.raises(KeyboardInterrupt):
        found.column()
    kept = Video()._kept(found.section, found.shared, found.encoder.backbone)
    assert kept.lengths(found.cells) == {found.cells[0]: 3, found.cells[1]: 1}
    assert Video().lengths(found.cells, found.section, found.shared, found.encoder) == LENGTHS


@pytest.mark.parametrize("update", [{"count": 2}, {"rate": 5.0}, {"frame_height": 10}, {"frames_per_second": 7.0}])
def test_other_frames_of_the_same_film_are_kept_apart(tmp_path: Path, update: dict[str, Any]) -> None:
    found = Fixture(tmp_path)
    found.column()
    other = found.section.model_copy(update=update)
    assert Video()._kept(found.section, found.shared, found.encoder.backbone).lengths(found.cells)
    assert Video()._kept(other, found.shared, found.encoder.backbone).lengths(found.cells) == {}


def test_half_of_the_films_are_mirrored_as_a_whole(tmp_path: Path) -> None:
    found = Fixture(tmp_path)
    training = found.config.training.model_copy(update={"augmentation": Augmentation(flip=True)})
    found.config = found.config.model_copy(update={"training": training})
    seeds = [(1, at) for at in range(3)]
    drawn = [np.random.default_rng(list(seed)).random() < 0.5 for seed in seeds]
    assert len(set(drawn)) == 2
    plain, varied = found.read([0, 1, 2]), found.read([0, 1, 2], seeds, varies=True)
    same = [
        torch.equal(one, other)
        for one, other in zip(
            torch.split(plain.frames.pooled, LENGTHS), torch.split(varied.frames.pooled, LENGTHS), strict=True
        )
    ]
    assert same == [not each for each in drawn]


def test_a_film_that_cannot_be_read_has_its_problem_among_lengths(tmp_path: Path) -> None:
    found = Fixture(tmp_path)
    (tmp_path / "bad.gif").write_bytes(b"GIF89a")
    lengths = Video().lengths(
        [found.cells[0], str(tmp_path / "bad.gif"), str(tmp_path / "none.gif")],
        found.section,
        found.shared,
        found.encoder,
    )
    assert lengths[0] == 3
    assert all(isinstance(length, DataError) for length in lengths[1:])
    assert str(lengths[2]) == f"{tmp_path}/none.gif: no such file"


def test_frames_in_another_order_are_another_film(tmp_path: Path) -> None:
    names = {
        "one": ("1.png", "2.png", "10.png"),
        "other": ("1.png", "10.png", "2.png"),
        "same": ("a.png", "b.png", "c.png"),
    }
    frames = films.noise(3)
    for folder, named in names.items():
        (tmp_path / folder).mkdir()
        for name, frame in zip(named, frames, strict=True):
            frame.save(tmp_path / folder / name)
    one, other, same = (_fingerprint(tmp_path / folder) for folder in names)
    assert one == same != other


def test_a_film_backwards_has_the_kept_features_of_the_film_in_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Fixture(tmp_path)
    forwards = found.read([0, 1, 2])
    read: list[str] = []
    monkeypatch.setattr(FilmReader, "read", lambda self, cell, **_: read.append(cell))
    cells = [each for cell in found.cells for each in (cell, Backwards(cell))]
    lengths = [length for length in LENGTHS for _ in range(2)]
    assert Video().lengths(cells, found.section, found.shared, found.encoder) == lengths
    column = Video().column(cells, lengths, found.section, found.shared, found.encoder, varies=False)
    assert not read, "nothing is computed again"
    both: Any = column.start(np.array([5, 1, 4]), None)()
    ends = np.cumsum(LENGTHS)
    first, _, last = np.split(forwards.frames.pooled.numpy(), ends[:-1])
    np.testing.assert_array_equal(both.frames.pooled, np.concatenate([last[::-1], first[::-1], last]))


def test_features_are_those_of_the_film_if_it_is_first_read_backwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Fixture(tmp_path)
    cells = [*map(Backwards, found.cells), *found.cells]
    announced: list[int] = []

    def noted(total: int, *_: Any, **__: Any) -> Any:
        announced.append(total)
        return nullcontext(lambda _: None)

    monkeypatch.setattr("attncli.sources.video.features.progress", noted)
    column = Video().column(cells, LENGTHS * 2, found.section, found.shared, found.encoder, varies=False)
    column.start(np.array([2]), None)()
    assert announced == [sum(LENGTHS)], "each frame is computed once"
    reader = FilmReader(found.section)
    with torch.no_grad():
        read = found.encoder(reader.pack([reader.read(found.cells[2])]))
        kept = found.encoder(found.read([2]))
    torch.testing.assert_close(kept.states, read.states, atol=5e-3, rtol=5e-3)
