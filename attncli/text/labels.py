"""Which targets are labels that training has not seen, so that a model cannot write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attncli.errors import counted
from attncli.text.tokenizer import SPECIAL, UNK, Tokenizer


def unknown_label_notes(
    name: str, tokenizer: Tokenizer, examples: Iterable[tuple[str, Sequence[str | None]]]
) -> tuple[str, ...]:
    """Return a note, which begins with `name`, on `examples` of which no target is a label of `tokenizer`.

    An example is its place, such as file and line, and its targets. There is no note where all are known, or targets
    are no labels.
    """
    if tokenizer.kind != "label":
        return ()
    unknown = [(place, found) for place, targets in examples if (found := _unknown(tokenizer, targets)) is not None]
    if not unknown:
        return ()
    (place, label), known = unknown[0], tokenizer.size - len(SPECIAL)
    return (
        f"{name}: {counted(len(unknown), 'target')} outside of the {known:,} labels of training, and so never written, "
        f"such as {place}: {label[:60]!r}",
    )


def _unknown(tokenizer: Tokenizer, targets: Sequence[str | None]) -> str | None:
    """Return the first of `targets` if none of them is a label."""
    given = [target for target in targets if target is not None]
    return None if any(tokenizer.encode(target) != [UNK] for target in given) else given[0]
