"""`attncli data`: lists, fetches and makes data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.help import Command, Group
from attncli.cli.terminal import say, tell
from attncli.cli.voice import voiced

if TYPE_CHECKING:
    from attncli.config.load import Config

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="List, fetch and make data sets.\n\nExample: attncli data make toy-translation --to data/toy",
)

# The artificial data sets: what each is, and how large.
_TOYS = {
    "toy-translation": (
        "an artificial language pair with far reordering, 3 to 60 words, learned in minutes",
        "about 10 MB in 6 files",
    ),
    "toy-paragraphs": (
        "paragraphs about people, and the last thing one of them does, with names of places never seen before",
        "about 5 MB in 6 files",
    ),
    "toy-captioning": (
        "images of coloured shapes with captions, and where each shape lies, learned in minutes",
        "about 4 MB in 4,602 files",
    ),
    "toy-questions": (
        "questions about images of coloured shapes, with answers, and where the shape lies that is asked about",
        "about 5 MB in 4,601 files",
    ),
    "toy-reviews": (
        "reviews with a few words of praise or blame somewhere, and whether they are negative, neutral or positive",
        "about 1 MB in 1 file",
    ),
    "toy-speech": (
        "recordings of up to six made-up words by many voices, and when each word is said, learned in minutes",
        "about 35 MB in 1,803 files",
    ),
    "toy-clips": (
        "short films of a coloured shape that moves or changes its size, with captions",
        "about 4 MB in 2,821 files",
    ),
    "toy-actions": (
        "short films of ten actions, eight of which only the order of their frames tells, learned in minutes",
        "about 3 MB in 2,161 files",
    ),
    "toy-arrow-of-time": (
        "short films of five motions that go one way in time and of two that look alike both ways, learned in minutes",
        "about 7 MB in 1,961 files",
    ),
    "toy-pictures": (
        "images of a circle, square or triangle each, 32 x 32 in colour, for autoencoders",
        "about 10 MB in 5,000 files",
    ),
}


def missing_data(config: Config) -> list[str]:
    """Return what `config` names and is not there; of a known data set, with the command that brings it."""
    from attncli.config.paths import missing_paths

    root = Path(config.data.root)
    return list(missing_paths(config)) if root.is_dir() else [f"data.root: {root}: no such folder{_way_to(root)}"]


def _way_to(folder: Path) -> str:
    from attncli.data.sets.catalogue import DATA_SETS

    name = folder.name
    if name not in DATA_SETS and name not in _TOYS:
        return ""
    verb, does = ("get", "fetches") if name in DATA_SETS else ("make", "makes")
    origin = " --from FOLDER" if name in DATA_SETS and DATA_SETS[name].url is None else ""
    to = "" if folder == Path("data") / name else f" --to {folder}"
    return f"; `attncli data {verb} {name}{origin}{to}` {does} it"


def complete_fetched() -> list[tuple[str, str]]:
    """Offer the data sets that can be fetched."""
    from attncli.data.sets.catalogue import DATA_SETS

    return [(name, each.what) for name, each in DATA_SETS.items()]


def complete_made() -> list[tuple[str, str]]:
    """Offer the data sets that can be made."""
    return [(name, what) for name, (what, _) in _TOYS.items()]


@app.command("list", cls=Command)
@voiced
def list_data_sets() -> None:
    """Show every data set that can be fetched or made: what it is, its size, licence and how to get it.

    Example: attncli data list
    """
    from attncli.data.sets.catalogue import DATA_SETS

    for name, data_set in DATA_SETS.items():
        source = f"attncli data get {name}" + ("" if data_set.url else f" --from FOLDER   ({data_set.made_by})")
        size = f"{data_set.size / 1e6:,.1f} MB in {data_set.count:,} files"
        _describe(name, data_set.what, size, data_set.licence, source)
    for name, (what, size) in _TOYS.items():
        _describe(name, what, size, "none needed; it is made from a seed", f"attncli data make {name}")


def _describe(name: str, what: str, size: str, licence: str, how: str) -> None:
    say(name, f"    {what}", f"    size:    {size}", f"    licence: {licence}", f"    get it:  {how}")


@app.command(cls=Command)
@voiced
def get(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name of the data set, as `attncli data list` shows it.",
            autocompletion=complete_fetched,
        ),
    ],
    origin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FOLDER_OR_URL", help="Take the files from here.", show_default="their public source"
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Put them here.", show_default="data/NAME")] = None,
) -> None:
    """Fetch a data set and check every byte of it against its known SHA-256 sum (of archives, MD5), and unpack it.

    Example: attncli data get multi30k --to data/multi30k
    """
    from attncli.data.sets.fetch import fetch

    folder = to or Path("data") / name
    fetch(name, folder, origin=origin, report=tell)
    say(str(folder))


@app.command(cls=Command)
@voiced
def make(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=f"What to make: {', '.join(_TOYS)}.", autocompletion=complete_made)
    ],
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Put it here.", show_default="data/NAME")] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed and sizes give the same files.")] = 1,
    train: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Examples to train on.",
            show_default="30000, paragraphs 10000, pictures 4000, reviews 3000, clips 2400, actions 1600, speech 1500, "
            "arrow of time 1400",
        ),
    ] = None,
    dev: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Examples to choose by.",
            show_default="500, paragraphs and reviews 300, captioned or asked about 200, actions 160, "
            "arrow of time 140, clips 120, speech 100",
        ),
    ] = None,
    test: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Examples to test on.",
            show_default="1200, paragraphs and reviews 600, pictures 500, arrow of time 420, captioned or asked about "
            "and actions 400, clips 300, speech 200",
        ),
    ] = None,
) -> None:
    """Make an artificial data set from a seed.

    Example: attncli data make toy-translation --to data/toy --train 30000 --seed 1
    """
    from attncli.errors import CommandError, unknown

    if name not in _MAKERS:
        raise CommandError(unknown("data set to make", name, _MAKERS))
    given = {"train": train, "dev": dev, "test": test}
    folder = to or Path("data") / name
    _MAKERS[name](folder, {split: count for split, count in given.items() if count is not None}, seed)
    say(str(folder))


def _make_sentences(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_translation import ToySizes, make_toy_translation

    make_toy_translation(folder, ToySizes(**sizes), seed=seed)


def _make_paragraphs(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_paragraphs import ToyParagraphSizes, make_toy_paragraphs

    make_toy_paragraphs(folder, ToyParagraphSizes(**sizes), seed=seed)


def _make_questions(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_questions import ToyQuestionSizes, make_toy_questions

    make_toy_questions(folder, ToyQuestionSizes(**sizes), seed=seed)


def _make_reviews(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_reviews import ToyReviewSizes, make_toy_reviews

    make_toy_reviews(folder, ToyReviewSizes(**sizes), seed=seed)


def _make_speech(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_speech import ToySpeechSizes, make_toy_speech

    make_toy_speech(folder, ToySpeechSizes(**sizes), seed=seed)


def _make_clips(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_clips import ToyClipSizes, make_toy_clips

    make_toy_clips(folder, ToyClipSizes(**sizes), seed=seed)


def _make_actions(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_actions import ToyActionSizes, make_toy_actions

    make_toy_actions(folder, ToyActionSizes(**sizes), seed=seed)


def _make_arrow_of_time(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_arrow_of_time import ToyArrowSizes, make_toy_arrow_of_time

    make_toy_arrow_of_time(folder, ToyArrowSizes(**sizes), seed=seed)


def _make_pictures(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures

    make_toy_pictures(folder, ToyPictureSizes(**sizes), seed=seed)


def _make_captioned(folder: Path, sizes: dict[str, int], seed: int) -> None:
    from attncli.data.sets.toy_captioning import ToyPictureSizes, make_toy_captioning

    make_toy_captioning(folder, ToyPictureSizes(**sizes), seed=seed)


_MAKERS: dict[str, Callable[[Path, dict[str, int], int], None]] = {
    "toy-translation": _make_sentences,
    "toy-paragraphs": _make_paragraphs,
    "toy-captioning": _make_captioned,
    "toy-questions": _make_questions,
    "toy-reviews": _make_reviews,
    "toy-speech": _make_speech,
    "toy-clips": _make_clips,
    "toy-actions": _make_actions,
    "toy-arrow-of-time": _make_arrow_of_time,
    "toy-pictures": _make_pictures,
}
