"""What runs must share for their probabilities to be averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.config.sources.encoder import EncoderSection
from attncli.config.writing import WritingConfig
from attncli.errors import CommandError, escaped
from attncli.runs.run import config_of
from attncli.text.tokenizer import Tokenizer, Tokenizers


def check_ensemble(first: Path, others: Sequence[Path]) -> None:
    """Raise a CommandError unless the runs in `others` can be averaged with the one in `first`.

    It names each that cannot, and why. Raises a RunError for a folder that cannot be used.
    """
    members = [_Member.read(folder) for folder in (first, *others)]
    problems = [
        f"{_shown(other.folder)}: no ensemble with {_shown(first)}: {problem}"
        for number, other in enumerate(members[1:], start=1)
        for problem in _problems(other, members[:number])
    ]
    if problems:
        raise CommandError(*problems)


@dataclass(frozen=True)
class _Member:
    """What a run must have in common with others."""

    folder: Path
    encoder: EncoderSection
    copies: bool
    has_ctc: bool
    tokenizers: Tokenizers

    @classmethod
    def read(cls, folder: Path) -> _Member:
        config = config_of(folder, WritingConfig)
        return cls(folder, config.model.source, config.copies, config.model.ctc is not None, Tokenizers.load(folder))


def _problems(other: _Member, before: Sequence[_Member]) -> Iterator[str]:
    """Yield what keeps `other` from an ensemble with those `before` it."""
    first = before[0]
    if other.folder.resolve() in [member.folder.resolve() for member in before]:
        yield "it is named twice; name different runs"
        return
    if (reads := _reading(other.encoder)) != (wanted := _reading(first.encoder)):
        yield f"it reads {reads} and not {wanted}; name runs that read the same"
        return
    if other.copies != first.copies:
        has, lacks = ("true", "false") if other.copies else ("false", "true")
        yield f"it has model.decoder.copying: {has} and not {lacks}, so they do not choose among the same words"
    if other.has_ctc != first.has_ctc:
        ctc = "has model.ctc, which the first has not" if other.has_ctc else "has no model.ctc, as the first has"
        yield f"it {ctc}, so they do not score alike"
    sides = [("target", first.tokenizers.target, other.tokenizers.target)]
    if any(each.is_text for each in first.encoder.parts.values()):
        sides.append(("source", first.tokenizers.source, other.tokenizers.source))
    for side, one, another in sides:
        if difference := _difference(one, another):
            remedy = "train both on the same data with the same section tokenizer"
            yield f"its {side} vocabulary {difference}, and an ensemble has one; {remedy}"


def _reading(encoder: EncoderSection) -> str:
    """Return what `encoder` reads, several sources by their names."""
    return ", ".join(f"{each.noun}s" + (f" as {name!r}" if name else "") for name, each in encoder.parts.items())


def _difference(one: Tokenizer, other: Tokenizer) -> str | None:
    """Return how the vocabulary of `other` differs from that of `one`; None if their ids mean the same."""
    if other.kind != one.kind:
        return f"is of kind {other.kind} and not {one.kind}"
    if other.lowercase != one.lowercase:
        has, lacks = ("true", "false") if other.lowercase else ("false", "true")
        return f"has tokenizer.lowercase: {has} and not {lacks}"
    if other.size != one.size:
        return f"has {other.size} entries and not {one.size}"
    for number, (entry, another) in enumerate(zip(one.entries, other.entries, strict=True)):
        if entry != another:
            return f"has {escaped(another)!r} as entry {number} and not {escaped(entry)!r}"
    return None


def _shown(folder: Path) -> str:
    return escaped(str(folder))
