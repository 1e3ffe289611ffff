"""Data in a table: a row an example, whose columns are its sources and its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from attncli.config.data import GoldPlaces, MaximumLength
from attncli.config.quantities import PathText, SetName
from attncli.config.section import MAY_CHANGE, DataSection, Section
from attncli.errors import unknown

NO_SOURCES = ("target", "split", "group")
"""The columns that are no source."""
DIRECTIONS = ("forwards", "backwards")
"""The labels of `labels: arrow_of_time`."""


class TableSplit(Section):
    """Which rows belong to a split: those of a name, those of a table of its own, or both."""

    split: str | None = None
    """Only the rows that have this in the column `split`."""
    table: PathText | None = None
    """The table of this split, instead of `data.table`."""

    @model_validator(mode="after")
    def _says_which(self) -> TableSplit:
        if self.split is None and self.table is None:
            raise ValueError("does not say which rows it has; give split, table or both")
        return self


class TableTest(TableSplit, GoldPlaces):
    """A test set."""


class TableData(DataSection):
    """A table for training, validation and test: `.tsv`, `.csv` or `.jsonl`, each with or without `.gz`.

    The first line of a TSV or CSV file names its columns.
    """

    bad_sources_key: ClassVar[str] = "bad_lines"
    """The key that says what to do about a training source that cannot be read."""

    root: Annotated[PathText, MAY_CHANGE] = "."
    """Folder to which the other paths are relative; itself relative to the current directory."""
    table: PathText | None = None
    """The table of all splits that have none of their own."""
    columns: dict[SetName, str]
    """For each source, by the name of its encoder, the column (JSONL: the key) that it is in; besides, that of the
    `target` and, if there are, those of the `split` and of the `group` by which scores are reported. Other columns are
    ignored."""
    folders: dict[SetName, PathText] = Field(default={})
    """For each source that is a file, the folder to which its cells are relative."""
    labels: Literal["column", "arrow_of_time"] = "column"
    """Where the targets come from: the column `target`, or the direction of time (`arrow_of_time`). Then there is no
    such column, and each row is two examples, its film or recording played `forwards` and `backwards`, for a classifier
    that tells which."""
    train: TableSplit
    """The training examples."""
    dev: TableSplit
    """The dev examples, which select the checkpoint; never trained on."""
    test: Annotated[dict[SetName, TableTest], MAY_CHANGE] = Field(default={})
    """Named test sets, read only by `eval`."""
    bad_lines: Literal["error", "skip"] = "error"
    """What to do about a training row that cannot be used, such as one with an empty cell or a file that is missing or
    broken: stop and report its file and line, or skip it and report how many were skipped."""
    maximum_length: MaximumLength = MaximumLength()
    """Limits on the length of training rows whose only source is text."""
    too_long: Literal["drop", "error", "cut"] = "drop"
    """What to do about a training row over `maximum_length`: skip it and report how many were skipped (`drop`), stop
    (`error`), or cut its source and skip it only if its target is too long (`cut`). Dev sources are cut too."""
    cache: Annotated[PathText | None, MAY_CHANGE] = None
    """Cache for encoded corpora, tokenizers and features; by default `attncli` in the user's cache folder."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources."""
        return tuple(name for name in self.columns if name not in NO_SOURCES)

    @model_validator(mode="after")
    def _fits_together(self) -> TableData:
        if self.labels == "arrow_of_time":
            self._has_an_arrow_of_time()
        elif "target" not in self.columns or not self.sources:
            raise ValueError("columns: names the columns of the target and of at least one source")
        for name in self.folders:
            if name not in self.sources:
                raise ValueError(f"folders: {unknown('source', name, self.sources)}")
        splits = {"train": self.train, "dev": self.dev, **{f"test.{name}": each for name, each in self.test.items()}}
        for key, split in splits.items():
            if split.table is None and self.table is None:
                raise ValueError(f"{key}: has no table; give data.table or data.{key}.table")
            if split.split is not None and "split" not in self.columns:
                raise ValueError(f"{key}.split: no column says of which split a row is; give data.columns.split")
        return self

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflicts of labels by the direction of time with the task and with what is read."""
        if self.labels != "arrow_of_time":
            return
        if config.task != "classification":
            yield f"data.labels: 'arrow_of_time' is for task 'classification', but task is {config.task!r}; remove it"
        for section in config.model.source.parts.values():
            if not section.lasts:
                yield (
                    f"data.labels: 'arrow_of_time' plays films or recordings both ways, but {section.reading}; read "
                    "one of those, or remove it"
                )

    def _has_an_arrow_of_time(self) -> None:
        """Raise a ValueError unless a row can be labelled by the direction of time."""
        by_time = "labels: 'arrow_of_time' labels each row by the direction in which it is played"
        if "target" in self.columns:
            raise ValueError(f"columns.target: {by_time}, not by a column; remove it")
        if len(self.sources) != 1:
            found = ", ".join(self.sources) or "none"
            raise ValueError(f"columns: {by_time}, so it has one source, a film or a recording, but here is {found}")
        for name, test in self.test.items():
            if test.places is not None:
                raise ValueError(f"test.{name}.places: {by_time}, which lies in no place; remove it")
