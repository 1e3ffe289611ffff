"""Fonts that cover what is to be written."""

from __future__ import annotations

from attncli.drawing.fonts import DEFAULT, fonts_for

NOWHERE = "\U000f0000"  # private use: no font of a system has it


def test_default_font_is_enough_for_what_it_has() -> None:
    found = fonts_for(["Snow ·board ␣ Привет γειά نحن 3 $"])
    assert found.families == (DEFAULT,)
    assert (found.missing, found.warning) == ((), None)


def test_character_without_a_glyph_is_named() -> None:
    found = fonts_for([f"a{NOWHERE}b"])
    assert found.missing == (NOWHERE,)
    assert found.warning == (
        f"no installed font has a glyph for: {NOWHERE} (U+F0000); they appear as boxes. Install a font for this "
        "script, or use --format html or svg, which leave the choice of fonts to the viewer"
    )


def test_long_lists_of_missing_characters_are_cut() -> None:
    warning = fonts_for([chr(0xF0000 + i) for i in range(23)]).warning
    assert warning is not None
    assert "(U+F0013) and 3 more;" in warning


def test_characters_without_a_shape_need_no_font() -> None:
    assert fonts_for(["a\u200db\ufe0f\n\u00a0c"]).missing == ()
