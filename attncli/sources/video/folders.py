"""Finds films in folders: files, and folders of frames."""

from __future__ import annotations

from pathlib import Path

from attncli.config.sources.video import SUFFIXES
from attncli.errors import CommandError
from attncli.files.reading import SUFFIXES as IMAGE_SUFFIXES
from attncli.files.reading import find_files

# GIF and WebP files are films of their own.
_OF_FRAMES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in SUFFIXES)


def films_in(folder: Path) -> list[Path]:
    """Return the films in `folder` and below it, sorted: files that are named as films, and folders with images.

    Raises CommandError for a folder with images that has films in or below it, since it might be one film or several.
    """
    of_frames = {image.parent for image in find_files(folder, _OF_FRAMES)}
    films = [*find_files(folder, SUFFIXES), *of_frames]
    for film in sorted(films):
        for around in of_frames.intersection(film.parents):
            raise CommandError(
                f"{around}: holds images, as a film of frames does, but also the film {film.relative_to(around)}; give "
                "each a folder of its own, or name the films one by one"
            )
    return sorted(films)
