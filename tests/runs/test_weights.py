from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from attncli.errors import RunError
from attncli.runs.weights import average_weights, put_weights, read_weights, weights_of, write_weights


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.output = nn.Linear(3, 5)
        self.output.weight = self.embedding.weight
        self.register_buffer("count", torch.tensor(7))


def test_weights_come_back_bit_identical(tmp_path: Path) -> None:
    model, other = Tied(), Tied()
    write_weights(weights_of(model), tmp_path / "model.safetensors")
    put_weights(other, read_weights(tmp_path / "model.safetensors"), where="here")
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name
    assert other.output.weight is other.embedding.weight


def test_a_tied_weight_is_saved_once() -> None:
    assert sorted(weights_of(Tied())) == ["count", "embedding.weight", "output.bias"]


def test_weights_of_another_model_are_refused() -> None:
    weights = weights_of(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 1)))
    with pytest.raises(RunError) as error:
        put_weights(nn.Sequential(nn.Linear(2, 5), nn.Linear(5, 4)), weights, where="runs/a")
    assert str(error.value) == (
        "runs/a: does not fit the model of config.yaml: has 2.weight, which the model does not have; "
        "has 2.bias, which the model does not have; has 0.weight of size [3, 2], the model of [5, 2], and 2 more"
    )
    with pytest.raises(RunError, match=r"misses 1.weight; misses 1.bias$"):
        put_weights(
            nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4)), weights_of(nn.Sequential(nn.Linear(2, 3))), where="x"
        )


def test_an_average_is_the_mean(tmp_path: Path) -> None:
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index}.safetensors")
        write_weights({"a": torch.tensor([1.0, 10.0]) * index**2, "count": torch.tensor(index)}, paths[-1])
    average = average_weights(map(read_weights, paths))
    torch.testing.assert_close(average["a"], torch.tensor([5 / 3, 50 / 3]))
    assert average["count"] == 0


def test_a_file_cut_in_half_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(weights_of(Tied()), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError, match=r"model.safetensors: damaged or cut short: "):
        read_weights(path)
