"""Features are computed once an image, kept in half precision, and survive a kill.

C=3 channels of a map of 2 rows and 1 column, P=2 channels of the pooled vector.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from attncli.errors import DataError
from attncli.sources.images.batch import Features
from attncli.sources.images.features import FeatureStore

FACTS = {"weights": "a", "size": 224}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{at}.jpg" for at in range(7)]
    for at, path in enumerate(found):
        path.write_bytes(bytes([at]))
    return found


class Network:
    """Features that can be foretold: those of a file are made of its one byte."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fails_after = 99

    def __call__(self, paths: Sequence[Path]) -> Features:
        if len(self.asked) >= self.fails_after:
            raise KeyboardInterrupt
        self.asked.append([path.name for path in paths])
        values = torch.tensor([float(path.read_bytes()[0]) for path in paths])
        regions = values[:, None, None] * 10 + torch.arange(6).view(2, 3) / 4
        return Features(regions, values[:, None] + torch.tensor([0.5, 0.75]), (2, 1))


def check(found: Features, values: list[int]) -> None:
    assert found.grid == (2, 1)
    assert found.regions.dtype == torch.float16
    expected = torch.tensor(values)[:, None, None] * 10 + torch.arange(6).view(2, 3) / 4
    assert torch.equal(found.regions.float(), expected)
    assert torch.equal(found.pooled.float(), torch.tensor(values)[:, None] + torch.tensor([0.5, 0.75]))


def test_features_come_back_as_they_were_made(tmp_path: Path, paths: list[Path]) -> None:
    network = Network()
    done: list[int] = []
    stored = FeatureStore(tmp_path / "store", FACTS).features(paths, network, batch=3, progress=done.append)
    assert len(stored) == 7
    check(stored.batch(np.array([6, 0, 3])), [6, 0, 3])
    assert done == [3, 3, 1]
    assert network.asked == [["0.jpg", "1.jpg", "2.jpg"], ["3.jpg", "4.jpg", "5.jpg"], ["6.jpg"]]


def test_the_second_time_nothing_is_computed_and_other_images_are_added(tmp_path: Path, paths: list[Path]) -> None:
    store, network = FeatureStore(tmp_path / "store", FACTS), Network()
    store.features(paths[:4], network, batch=9)
    check(store.features(paths[3::-1], network, batch=9).batch(np.arange(4)), [3, 2, 1, 0])
    assert len(network.asked) == 1
    check(store.features(paths, network, batch=9).batch(np.array([5, 1])), [5, 1])
    assert network.asked[1:] == [["4.jpg", "5.jpg", "6.jpg"]]


def test_an_image_is_known_by_its_content(tmp_path: Path, paths: list[Path]) -> None:
    store, network = FeatureStore(tmp_path / "store", FACTS), Network()
    store.features(paths, network, batch=9)
    (tmp_path / "copy.jpg").write_bytes(paths[2].read_bytes())
    check(store.features([tmp_path / "copy.jpg"], network, batch=9).batch(np.array([0])), [2])
    assert len(network.asked) == 1
    paths[2].write_bytes(b"\x09")
    # A store takes the fingerprint of a file once.
    store = FeatureStore(tmp_path / "store", FACTS)
    check(store.features(paths[2:3], network, batch=9).batch(np.array([0])), [9])


def test_another_network_has_another_store(tmp_path: Path, paths: list[Path]) -> None:
    network = Network()
    for facts in (FACTS, {**FACTS, "size": 64}, FACTS):
        FeatureStore(tmp_path / "store", facts).features(paths, network, batch=9)
    assert len(network.asked) == 2


def test_a_killed_process_is_gone_on_from(tmp_path: Path, paths: list[Path]) -> None:
    network = Network()
    network.fails_after = 2
    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path / "store", FACTS).features(paths, network, batch=2)
    store = FeatureStore(tmp_path / "store", FACTS)
    # As if it had been killed while it wrote a row, and then while it wrote its line.
    with (store.folder / "features.f16").open("ab") as file:
        file.write(b"half of a row")
    with (store.folder / "pictures").open("ab") as file:
        file.write(b"0123abc")
    check(store.features(paths[:4], Network(), batch=9).batch(np.arange(4)), list(range(4)))
    again = Network()
    check(store.features(paths, again, batch=9).batch(np.arange(7)), list(range(7)))
    assert again.asked == [["4.jpg", "5.jpg", "6.jpg"]]


@pytest.mark.parametrize("name", ["features.f16", "pictures", "store.json"])
def test_lost_files_are_made_again(tmp_path: Path, paths: list[Path], name: str) -> None:
    store = FeatureStore(tmp_path / "store", FACTS)
    store.features(paths, Network(), batch=9)
    (store.folder / name).unlink()
    check(store.features(paths, Network(), batch=9).batch(np.arange(7)), list(range(7)))


@pytest.mark.parametrize("name", ["features.f16", "pictures", "store.json"])
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, paths: list[Path], name: str) -> None:
    store = FeatureStore(tmp_path / "store", FACTS)
    store.features(paths, Network(), batch=9)
    whole = (store.folder / name).read_bytes()
    for at in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        (store.folder / name).write_bytes(flipped)
        check(
            FeatureStore(tmp_path / "store", FACTS).features(paths, Network(), batch=2).batch(np.arange(7)), [*range(7)]
        )
        again = Network()
        check(FeatureStore(tmp_path / "store", FACTS).features(paths, again, batch=2).batch(np.arange(7)), [*range(7)])
        assert not again.asked
        for each in ("features.f16", "pictures", "store.json"):
            (store.folder / each).unlink()
        store.features(paths, Network(), batch=9)


def test_a_damaged_row_is_computed_again_and_the_others_stay(tmp_path: Path, paths: list[Path]) -> None:
    store = FeatureStore(tmp_path / "store", FACTS)
    before = store.features(paths, Network(), batch=9)
    with (store.folder / "features.f16").open("r+b") as file:
        file.seek(2 * 8 * 3)
        file.write(b"\xff")
    again = Network()
    found = FeatureStore(tmp_path / "store", FACTS).features(paths, again, batch=9)
    assert again.asked == [["3.jpg"]]
    check(found.batch(np.arange(7)), list(range(7)))
    # What another process has mapped stays as it is.
    check(before.batch(np.array([0, 6])), [0, 6])


def test_a_store_that_is_begun_anew_takes_nothing_from_who_has_it_open(tmp_path: Path, paths: list[Path]) -> None:
    store = FeatureStore(tmp_path / "store", FACTS)
    before = store.features(paths, Network(), batch=9)
    for content in ("[]", "{", '{"width": 0}', "[" * 100_000, '{"grid": [2, 1], "channels": 3, "width": 9, "sum": 1}'):
        (store.folder / "store.json").write_text(content)
        check(
            FeatureStore(tmp_path / "store", FACTS).features(paths[:2], Network(), batch=9).batch(np.arange(2)), [0, 1]
        )
        check(before.batch(np.arange(7)), list(range(7)))


def test_two_at_once_compute_each_image_once(tmp_path: Path, paths: list[Path]) -> None:
    network = Network()

    def run() -> None:
        check(FeatureStore(tmp_path / "store", FACTS).features(paths, network, batch=2).batch(np.array([5])), [5])

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for batch in network.asked for name in batch) == [f"{at}.jpg" for at in range(7)]


def test_what_does_not_fit_or_cannot_be_written_is_told(tmp_path: Path, paths: list[Path]) -> None:
    def huge(paths: Sequence[Path]) -> Features:
        return Features(torch.full((len(paths), 2, 3), 1e6), torch.zeros(len(paths), 2), (2, 1))

    with pytest.raises(DataError, match=r"a feature of 1e\+06 does not fit into half precision"):
        FeatureStore(tmp_path / "store", FACTS).features(paths, huge, batch=9)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the cache cannot be written: .*; name another folder with data\.cache"):
        FeatureStore(tmp_path / "file", FACTS).features(paths, Network(), batch=9)
