"""Fonts for any script: those installed here that cover the characters of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from matplotlib.font_manager import FontEntry, fontManager
from matplotlib.ft2font import FT2Font

DEFAULT = "DejaVu Sans"  # comes with matplotlib
# Its glyphs are the numbers of the characters, and the STIX and Computer Modern ones are for formulas.
_NOT_FOR_TEXT = ("Last Resort", "STIX", "cmr", "cmb", "cmex", "cmmi", "cmss", "cmsy", "cmtt")


@dataclass(frozen=True)
class Fonts:
    """Font families to try in turn, and the characters that none of them has."""

    families: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """A message about missing characters in a drawing that may have another format, or None."""
        problem = self.problem
        return problem and f"{problem}, or use --format html or svg, which leave the choice of fonts to the viewer"

    @property
    def problem(self) -> str | None:
        """Which characters are missing and what to do about it, or None."""
        if not self.missing:
            return None
        shown = " ".join(f"{character} (U+{ord(character):04X})" for character in self.missing[:20])
        more = f" and {len(self.missing) - 20} more" if len(self.missing) > 20 else ""
        return f"no installed font has a glyph for: {shown}{more}; they appear as boxes. Install a font for this script"


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Return the installed families that cover the characters of `texts`, as few as possible after the default one."""
    needed = {character for text in texts for character in text if _has_shape(character)}
    families = [DEFAULT]
    uncovered = needed - _characters(DEFAULT)
    while uncovered:
        family = max(sorted(_families()), key=lambda name: len(uncovered & _characters(name)), default=DEFAULT)
        if not uncovered & _characters(family):
            break
        families.append(family)
        uncovered -= _characters(family)
    return Fonts(tuple(families), tuple(sorted(uncovered)))


def _has_shape(character: str) -> bool:
    is_variation_selector = 0xFE00 <= ord(character) <= 0xFE0F
    return unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp") and not is_variation_selector


@cache
def _families() -> dict[str, FontEntry]:
    """Return the upright entry nearest to regular weight of each family that can set text."""
    found: dict[str, FontEntry] = {}
    for entry in sorted(fontManager.ttflist, key=lambda entry: (entry.name, _distance(entry), entry.fname)):
        if not entry.name.startswith(_NOT_FOR_TEXT):
            found.setdefault(entry.name, entry)
    return found


def _distance(entry: FontEntry) -> tuple[bool, int]:
    return entry.style != "normal", abs(int(entry.weight) - 400) if str(entry.weight).isdigit() else 0


@cache
def _characters(family: str) -> frozenset[str]:
    entry = _families().get(family)
    if entry is None:
        return frozenset()
    try:
        font = FT2Font(entry.fname)
        # A font of bitmaps (colour emoji) cannot be scaled to the size of a label.
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()  # a broken file among the installed fonts
