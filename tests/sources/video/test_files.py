"""Films of every kind are read frame by frame, and what cannot be read says why."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import films
import numpy as np
import pytest
from PIL import Image

from attncli.errors import DataError
from attncli.sources.video import files
from attncli.sources.video.files import Film, film_at
from attncli.sources.video.sampling import Array, Sampling

GREYS = [0, 60, 120, 180, 240]
CODECS = {"mp4": "mpeg4", "avi": "mjpeg", "mkv": "mpeg4", "webm": "libvpx"}


def opened(path: Path, *, frame_height: int | None = None) -> Film:
    return film_at(path, frame_height=frame_height, frames_per_second=10.0)


def seen(film: Film) -> list[int]:
    """Return the grey in the middle of each frame."""
    return [int(np.asarray(frame.image())[4, 5].mean()) for frame in film.frames()]


def problem(path: Path, *, frame_height: int | None = None) -> str:
    def read() -> list[Array]:
        film = opened(path, frame_height=frame_height)
        return Sampling(2, None, 9).taken(film, np.asarray, name=str(path)).frames

    with pytest.raises(DataError) as caught:
        read()
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animations_are_read_by_pillow_alone(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    film = opened(films.write_animation(tmp_path / f"a.{suffix}", films.greys(GREYS), milliseconds=40))
    assert film.count() == 5
    assert np.allclose(seen(film), GREYS, atol=3)
    assert [frame.seconds for frame in film.frames()] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


@pytest.mark.parametrize("suffix", CODECS)
def test_videos_of_every_container_are_read(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    frames = films.greys(GREYS, size=(32, 16))
    film = opened(films.write_video(tmp_path / f"a.{suffix}", frames, codec=CODECS[suffix], rate=20))
    assert film.count() == 5
    assert np.allclose(seen(film), GREYS, atol=12)
    start, *_ = times = [frame.seconds for frame in film.frames()]
    assert [each - start for each in times] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2], abs=0.002)


def test_a_folder_is_a_film_of_its_images_by_name(tmp_path: Path) -> None:
    for number in (3, 0, 4, 1, 2):
        films.greys([GREYS[number]])[0].save(tmp_path / f"{number:03}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    film = opened(tmp_path)
    assert (film.count(), seen(film)) == (5, GREYS)
    assert [frame.seconds for frame in film.frames()] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_frames_are_in_the_order_of_the_numbers_in_their_names(tmp_path: Path) -> None:
    for name, grey in zip(("a1-9.png", "a1-10.png", "a1-100.png", "a2-1.png", "b.png"), GREYS, strict=True):
        films.greys([grey])[0].save(tmp_path / name)
    assert seen(opened(tmp_path)) == GREYS


def test_frames_one_below_the_other_are_cut_apart(tmp_path: Path) -> None:
    column = np.concatenate([np.asarray(frame) for frame in films.greys(GREYS)])
    Image.fromarray(column).save(tmp_path / "a.png")
    film = opened(tmp_path / "a.png", frame_height=10)
    assert (film.count(), seen(film)) == (5, GREYS)
    assert problem(tmp_path / "a.png", frame_height=12) == (
        "50 pixels high, not a multiple of model.encoder.frame_height (12); the last frame is cut off, or frames have "
        "another height"
    )


def test_transparent_frames_lie_over_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (12, 10), (0, 0, 0, 0))
    solid = Image.new("RGBA", (12, 10), (40, 40, 40, 255))
    film = opened(films.write_animation(tmp_path / "a.webp", [clear, solid]))
    assert np.allclose(seen(film), [255, 40], atol=3)


def test_only_frames_that_are_asked_for_are_read_of_a_folder(tmp_path: Path) -> None:
    for number, grey in enumerate(GREYS):
        films.greys([grey])[0].save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_text("broken")
    taken = Sampling(2, None, 9).taken(opened(tmp_path), np.asarray, name="a").frames
    assert [int(frame.mean()) for frame in taken] == [60, 180]


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert problem(tmp_path / "a.mp4") == "an empty file, not a film"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.mp4") == "no such file"


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path) == "no image in this folder, so it is not a film of frames"


@pytest.mark.parametrize("content", [b"nothing of a film", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", os.urandom(3000)])
def test_a_foreign_file_is_named(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(content)
    assert problem(tmp_path / "a.mp4").startswith("not a film of a known kind, or a damaged one: ")


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    pytest.importorskip("av")
    films.write_video(tmp_path / "b.mp4", films.greys(GREYS, size=(32, 16)), codec="mpeg4")
    (tmp_path / "a.txt").write_text("ffconcat version 1.0\nfile b.mp4\n")
    assert problem(tmp_path / "a.txt").startswith("not a film of a known kind, or a damaged one: ")


@pytest.mark.parametrize("suffix", ["gif", "webp", "avi", "mp4"])
def test_a_file_that_is_cut_off_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    frames = films.noise(30, size=(32, 16))
    if suffix in CODECS:
        pytest.importorskip("av")
        films.write_video(path, frames, codec=CODECS[suffix])
    else:
        films.write_animation(path, frames)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert re.match(r"cut off: its header promises 30 frames, but it holds \d+|cut off: a GIF|.*damaged", problem(path))


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        for packet in [*stream.encode(sound), *stream.encode()]:
            container.mux(packet)
    assert problem(tmp_path / "a.mp4") == "holds no film, only audio"


@pytest.mark.parametrize("suffix", ["gif", "mkv"])
def test_frames_that_are_too_large_are_not_decoded(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_PIXELS", 500)
    path, frames = tmp_path / f"a.{suffix}", films.greys(GREYS, size=(32, 16))
    if suffix == "gif":
        films.write_animation(path, frames)
    else:
        pytest.importorskip("av")
        films.write_video(path, frames, codec="mpeg4")
    assert problem(path) == "frames of 32 × 16 pixels, over the 500 that a frame may have; make them smaller"


def test_frames_that_pillow_refuses_are_called_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    Image.new("P", (20_000, 20_000)).save(path)
    assert problem(path) == "frames of too many pixels, over the 36,000,000 that a frame may have; make them smaller"


def test_a_video_without_the_library_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video")
    monkeypatch.setitem(sys.modules, "av", None)
    found = problem(tmp_path / "a.mp4")
    assert found.startswith("only GIF, WebP and folders of frames are read without the library av, which cannot be")
    assert found.endswith("; install it with: pip install 'attncli[film]'")


def test_a_codec_that_is_not_known_is_named(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = films.write_video(tmp_path / "a.avi", films.greys(GREYS, size=(32, 16)), codec="mjpeg")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"Zq9x"))
    assert problem(path) == "its film is of a codec that the library av does not know; convert it"
