"""Recordings of any format, rate and number of channels are read; what is not a recording is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from recordings import tone, write_wav

from attncli.errors import DataError
from attncli.sources.audio.files import read_matrix, read_recording

TONE = tone(0.4, 60.0)


def read(path: Path, *, rate: int = 1000, longest: float = 5.0) -> np.ndarray:
    return read_recording(path, rate=rate, longest=longest).samples


def failure(path: Path, *, rate: int = 1000, longest: float = 5.0) -> str:
    with pytest.raises(DataError) as caught:
        read(path, rate=rate, longest=longest)
    return str(caught.value)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_any_width_is_read_without_a_library(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = write_wav(tmp_path / "a.wav", TONE, width=width)
    expected = TONE // 256 * 256 if width == 1 else TONE
    np.testing.assert_allclose(read(path), expected / 32768, atol=1e-7)


def test_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([TONE, TONE // 2, np.zeros_like(TONE)], 1)
    path = write_wav(tmp_path / "a.wav", both.ravel(), channels=3)
    np.testing.assert_allclose(read(path), both.mean(1) / 32768, atol=1e-6)


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.ogg", "VORBIS"), ("a.wav", "FLOAT")])
def test_other_formats_are_decoded(tmp_path: Path, name: str, subtype: str) -> None:
    sound = tone(0.5, 200.0, rate=8000)
    soundfile.write(tmp_path / name, sound / 32768, 8000, subtype=subtype)
    found = read(tmp_path / name, rate=8000)
    assert len(found) == len(sound)
    assert np.abs(found - sound / 32768).max() < (0.03 if subtype == "VORBIS" else 1e-6)


def test_another_rate_is_resampled_and_what_is_over_half_of_it_is_filtered_out(tmp_path: Path) -> None:
    at = np.arange(8000) / 4000
    low, high = np.sin(2 * np.pi * 150 * at), np.sin(2 * np.pi * 900 * at)
    path = write_wav(tmp_path / "a.wav", np.round((low + high) * 8000).astype(np.int16), rate=4000)
    found = read(path)
    assert len(found) == 2000
    expected = np.sin(2 * np.pi * 150 * np.arange(2000) / 1000) * 8000 / 32768
    np.testing.assert_allclose(found[200:-200], expected[200:-200], atol=2e-3)


def test_a_missing_library_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.flac", TONE / 32768, 1000)
    write_wav(tmp_path / "b.wav", TONE, rate=2000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert failure(tmp_path / "a.flac").startswith(
        f"{tmp_path}/a.flac: only WAV files of PCM are read without the library soundfile, which cannot be imported ("
    )
    assert failure(tmp_path / "a.flac").endswith("install it with: pip install 'attncli[audio]'")
    assert "b.wav: 2,000 Hz, which only the library soxr can resample to 1,000 Hz, which" in failure(tmp_path / "b.wav")


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    for name, content in (("empty.wav", b""), ("text.ogg", b"words " * 50), ("riff.wav", b"RIFF\x10\0\0\0WAVEfmt ")):
        (tmp_path / name).write_bytes(content)
    assert failure(tmp_path / "empty.wav") == f"{tmp_path}/empty.wav: an empty file, not a recording"
    for name in ("text.ogg", "riff.wav"):
        assert failure(tmp_path / name).startswith(
            f"{tmp_path}/{name}: not a recording of a known kind, or a damaged one: "
        )
    assert failure(tmp_path / "none.wav") == f"{tmp_path}/none.wav: no such file"
    assert failure(tmp_path) == f"{tmp_path}: is a folder, not a file"
    write_wav(tmp_path / "nothing.wav", TONE[:0])
    assert failure(tmp_path / "nothing.wav") == f"{tmp_path}/nothing.wav: holds no samples"
    write_wav(tmp_path / "silent.wav", np.zeros(300, np.int16))
    assert failure(tmp_path / "silent.wav") == f"{tmp_path}/silent.wav: silent: every sample is 0"
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan, 0.2]), 1000, subtype="FLOAT")
    assert failure(tmp_path / "nan.wav").endswith("nan.wav: a damaged recording: it holds samples that are no numbers")


def test_a_cut_file_and_one_that_is_too_long_are_named_with_their_lengths(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "cut.wav", TONE)
    path.write_bytes(path.read_bytes()[:-300])
    assert failure(path) == f"{path}: cut off: its header promises 0.40 s, but it holds 0.25 s"
    whole = write_wav(tmp_path / "long.wav", TONE)
    expected = f"{whole}: 0.4 s or more, but model.encoder.maximum_seconds is 0.3; cut it into parts"
    assert failure(whole, longest=0.3) == expected
    soundfile.write(tmp_path / "long.ogg", tone(9.0, rate=8000) / 32768, 8000, format="OGG", subtype="VORBIS")
    assert "long.ogg: 9.0 s or more, but model.encoder.maximum_seconds is 5" in failure(tmp_path / "long.ogg")


def test_too_many_channels_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.ones(33 * 4, np.int16), channels=33)
    assert failure(path) == f"{path}: 33 channels at 1,000 Hz; a recording has at most 32 at 768,000 Hz"


def test_a_header_without_a_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "piped.wav", TONE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    np.testing.assert_allclose(read(path), TONE / 32768, atol=1e-7)


MATRIX = np.arange(14, dtype=np.float16).reshape(7, 2)


def test_matrices_are_read_from_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MATRIX)
    np.savez_compressed(tmp_path / "a.npz", anything=MATRIX)
    for name in ("a.npy", "a.npz"):
        found = read_matrix(tmp_path / name, size=2, most=7)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, MATRIX)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (MATRIX[0], "holds 2 values of float16, not a matrix of numbers, a row per frame"),
        (MATRIX.astype(str), "of <U32, not a matrix of numbers"),
        (MATRIX[:, :1], "has 1 numbers a frame, but model.encoder.features.size is 2"),
        (MATRIX[:0], "holds no frames"),
        (np.zeros((8, 2)), "8 frames, but model.encoder.maximum_seconds allows 7; cut it into parts"),
        (np.full((7, 2), np.inf), "holds values that are no finite numbers"),
    ],
)
def test_other_arrays_are_named(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError) as caught:
        read_matrix(tmp_path / "a.npy", size=2, most=7)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/a.npy: ")


def test_what_is_no_matrix_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=MATRIX, b=MATRIX)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.npy").write_text("words")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01")
    for name, message in (
        ("two.npz", "holds 2 arrays (a, b); a file has one matrix"),
        ("empty.npy", "an empty file, not a matrix"),
        ("text.npy", "not a matrix in NumPy's format (.npy or .npz): "),
        ("cut.npy", "not a matrix in NumPy's format (.npy or .npz): "),
        ("none.npy", "no such file"),
    ):
        with pytest.raises(DataError) as caught:
            read_matrix(tmp_path / name, size=2, most=7)
        assert str(caught.value).startswith(f"{tmp_path}/{name}: {message}")
