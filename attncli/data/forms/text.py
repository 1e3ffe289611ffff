"""What a sentence of a data set must be, whatever file it comes from."""

from __future__ import annotations


def problem_of(text: str) -> str | None:
    """Say why `text` is not text that can be learned from, or return None."""
    if "\0" in text:
        return "holds the character U+0000; not text"
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can hold one by its escapes; no encoding of the character exists.
        return "holds half of a surrogate pair; not text"
    return None
