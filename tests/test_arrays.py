from __future__ import annotations

import ast
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attncli.files.arrays import archive, mapped


def read_archive(path: Path) -> Any:
    with archive(path) as opened:
        return opened["features"]


@pytest.mark.parametrize(("suffix", "read"), [(".npy", mapped), (".npz", read_archive)])
def test_headers_are_parsed_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, read: Any
) -> None:
    written = np.arange(6, dtype=np.float16).reshape(2, 3)
    paths = [tmp_path / f"{number}{suffix}" for number in range(5)]
    for path in paths:
        if suffix == ".npy":
            np.save(path, written)
        else:
            np.savez(path, features=written)
    parse, inside, most = ast.literal_eval, 0, 0

    def slowly(header: str) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.02)
        inside -= 1
        return parse(header)

    monkeypatch.setattr(ast, "literal_eval", slowly)
    with ThreadPoolExecutor(len(paths)) as pool:
        found = list(pool.map(read, paths))
    assert all(np.array_equal(each, written) for each in found)
    assert most == 1
