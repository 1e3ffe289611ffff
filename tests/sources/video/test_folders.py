"""Films are found in folders as files and as folders of frames."""

from __future__ import annotations

from pathlib import Path

import films
import pytest

from attncli.config.sources.video import Frames
from attncli.errors import CommandError
from attncli.sources.video.folders import films_in
from attncli.sources.video.kind import Video


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in films_in(folder)]


def test_a_folder_of_images_is_a_film(tmp_path: Path) -> None:
    assert found(made(tmp_path, "1.png", "2.JPG", "notes.txt")) == ["."]


def test_files_and_folders_of_images_are_found_at_any_depth(tmp_path: Path) -> None:
    made(tmp_path, "b.mp4", "a/deep/1.png", "a/deep/2.png", "a/c.webp", "z/notes.txt", "d/1.bmp")
    assert found(tmp_path) == ["a/c.webp", "a/deep", "b.mp4", "d"]


def test_gif_and_webp_files_are_films_and_no_frames(tmp_path: Path) -> None:
    assert found(made(tmp_path, "1.gif", "2.webp")) == ["1.gif", "2.webp"]


@pytest.mark.parametrize("film", ["b.gif", "more/b.gif", "more/1.png"])
def test_images_in_the_way_of_films_are_reported(film: str, tmp_path: Path) -> None:
    made(tmp_path, "a.mp4", "mixed/1.png", f"mixed/{film}")
    with pytest.raises(CommandError) as caught:
        films_in(tmp_path)
    name = film.removesuffix("/1.png")
    assert str(caught.value) == (
        f"{tmp_path}/mixed: holds images, as a film of frames does, but also the film {name}; give each a folder of "
        "its own, or name the films one by one"
    )


def test_where_frames_lie_one_below_the_other_images_are_films(tmp_path: Path) -> None:
    made(tmp_path, "b.png", "a.webp", "c.mp4")
    section = films.configured("frame_height: 10").model.encoder
    assert isinstance(section, Frames)
    assert Video().found_in(tmp_path, section) == [tmp_path / "a.webp", tmp_path / "b.png"]
