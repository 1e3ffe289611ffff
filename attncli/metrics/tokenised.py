"""Warns of text that looks tokenised, on which sacreBLEU's scores do not compare with others."""

from __future__ import annotations

import re
from collections.abc import Sequence

# French has a space before ? ! : ; in raw text, so these are no sign.
_MARKS = re.compile(r"(?<=\S) [.,](?= |$)| n't\b|(?<=\w) '(?:s|ll|re|ve|d|m)\b|@@(?= |$)|@-@|&(?:apos|quot|amp|#\d+);")
_SUSPICIOUS_SHARE = 0.1


def tokenised_note(what: str, lines: Sequence[str]) -> str | None:
    """Return a warning about `lines` (called `what`) if a tenth or more of them look tokenised, else None."""
    found = [match for line in lines if (match := _MARKS.search(line))]
    if not found or len(found) < _SUSPICIOUS_SHARE * len(lines):
        return None
    first = found[0]
    example = first.string[max(0, first.start() - 20) : first.end() + 10].strip()
    return (
        f"{what}: {len(found)} of {len(lines)} lines look tokenised (such as {example!r}); sacreBLEU expects raw text, "
        f"so these scores do not compare with others"
    )
