"""What a sentence of a data set must be, whatever file it comes from."""

from __future__ import annotations

# Characters without white space between them. Scripts without spaces write whole paragraphs so, and stay far below;
# what is longer is no text, and training a tokenizer on it can take hours.
_LONGEST_WORD = 10_000


def problem_of(text: str) -> str | None:
    """Say why `text` is not text that can be learned from, or return None."""
    if "\0" in text:
        return "holds the character U+0000; not text"
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can hold one by its escapes; no encoding of the character exists.
        return "holds half of a surrogate pair; not text"
    if len(text) > _LONGEST_WORD and (longest := max(map(len, text.split()), default=0)) > _LONGEST_WORD:
        return f"holds a word of {longest:,} characters; at most {_LONGEST_WORD:,}"
    return None
