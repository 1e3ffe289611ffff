"""A small artificial language pair in which word order differs near and far.

Source clauses end with their verb, and put adjectives before and adpositions after their noun; target clauses have the
verb second, adjectives after and adpositions before their noun, and the verb agrees with its subject. A subordinate
clause precedes its main clause in the source and follows it in the target. The target is a function of the source, so a
perfect translation exists, but what a word becomes, and where, can depend on words a dozen places away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from attncli.data.sets.filling import filling
from attncli.files.writing import open_output

SHORTEST, LONGEST = 3, 60
_CLAUSE_SHORTEST, _CLAUSE_LONGEST = 3, 12
_NOUNS, _ADJECTIVES, _VERBS, _ADVERBS, _ADPOSITIONS, _CONJUNCTIONS = 50, 24, 30, 10, 6, 4
_SUBORDINATE_SHARE = 0.35


@dataclass(frozen=True)
class _Phrase:
    """Words of the source and their translation."""

    source: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True)
class _Noun:
    phrase: _Phrase
    plural: bool


@dataclass(frozen=True)
class _Verb:
    source: str
    singular: str
    plural: str


@dataclass(frozen=True)
class _Lexicon:
    nouns: list[_Noun]
    adjectives: list[_Phrase]
    verbs: list[_Verb]
    adverbs: list[_Phrase]
    adpositions: list[_Phrase]
    coordinators: list[_Phrase]
    subordinators: list[_Phrase]


@dataclass(frozen=True)
class ToySizes:
    """How many sentence pairs to make."""

    train: int = 30_000
    dev: int = 500
    test: int = 1_200


def make_toy_translation(folder: Path, sizes: ToySizes, *, seed: int) -> None:
    """Write `{train,dev,test}.{source,target}` into `folder`; equal seeds and sizes give equal bytes.

    No source sentence occurs twice, within a file or across files. Lengths in source words are uniform from 3 to 60 in
    dev and test; in train shorter sentences are more frequent. Raises DataError if the files cannot be written, or
    would replace other files (`filling`).
    """
    random = Random(seed)
    lexicon = _lexicon(random)
    seen: set[tuple[str, ...]] = set()
    with filling(folder) as aside:
        # Test comes first and train last, so that another amount of training text does not change the test.
        for name, count, lengths in (
            ("test", sizes.test, _even_lengths(random)),
            ("dev", sizes.dev, _even_lengths(random)),
            ("train", sizes.train, _short_lengths(random)),
        ):
            with open_output(aside / f"{name}.source") as source, open_output(aside / f"{name}.target") as target:
                for length in islice(lengths, count):
                    sentence = _new_sentence(lexicon, length, random, seen)
                    source.write(" ".join(sentence.source) + "\n")
                    target.write(" ".join(sentence.target) + "\n")


def _even_lengths(random: Random) -> Iterator[int]:
    while True:
        lengths = list(range(SHORTEST, LONGEST + 1))
        random.shuffle(lengths)
        yield from lengths


def _short_lengths(random: Random) -> Iterator[int]:
    while True:
        yield SHORTEST + int((LONGEST + 1 - SHORTEST) * random.random() ** 1.5)


def _new_sentence(lexicon: _Lexicon, length: int, random: Random, seen: set[tuple[str, ...]]) -> _Phrase:
    while True:
        sentence = _sentence(lexicon, length, random)
        if sentence.source not in seen:
            seen.add(sentence.source)
            return sentence


def _words(random: Random, consonants: str, vowels: str) -> Callable[[], str]:
    """Return a function that invents a new word of two or three open syllables at each call."""
    used: set[str] = set()

    def word() -> str:
        while True:
            syllables = random.choice((2, 2, 3))
            invented = "".join(random.choice(consonants) + random.choice(vowels) for _ in range(syllables))
            if invented not in used:
                used.add(invented)
                return invented

    return word


def _lexicon(random: Random) -> _Lexicon:
    source, target = _words(random, "bdgkmprtvz", "aeiou"), _words(random, "cfhjlnqswx", "aeiouy")

    def words(count: int) -> list[_Phrase]:
        return [_Phrase((source(),), (target(),)) for _ in range(count)]

    singular = words(_NOUNS)
    # Stems end in vowels, so these endings cannot make a word that exists.
    plural = [_Phrase((noun.source[0] + "n",), (noun.target[0] + "s",)) for noun in singular]
    verbs = [_Verb(source(), stem + "t", stem + "nt") for stem in (target() for _ in range(_VERBS))]
    return _Lexicon(
        nouns=[_Noun(noun, False) for noun in singular] + [_Noun(noun, True) for noun in plural],
        adjectives=words(_ADJECTIVES),
        verbs=verbs,
        adverbs=words(_ADVERBS),
        adpositions=words(_ADPOSITIONS),
        coordinators=words(_CONJUNCTIONS),
        subordinators=words(_CONJUNCTIONS),
    )


def _sentence(lexicon: _Lexicon, length: int, random: Random) -> _Phrase:
    """Return a sentence of `length` source words: clauses joined by conjunctions."""
    clauses = [_clause(lexicon, size, random) for size in _clause_sizes(length, random)]
    done, current = _Phrase((), ()), clauses.pop(0)
    may_subordinate = True
    for clause in clauses:
        if may_subordinate and random.random() < _SUBORDINATE_SHARE:
            conjunction = random.choice(lexicon.subordinators)
            current = _Phrase(
                current.source + conjunction.source + clause.source,
                clause.target + conjunction.target + current.target,
            )
            may_subordinate = False
        else:
            done = _joined(done, current, random.choice(lexicon.coordinators))
            current = clause
            may_subordinate = True
    return _joined(done, current)


def _joined(*phrases: _Phrase) -> _Phrase:
    return _Phrase(
        tuple(word for phrase in phrases for word in phrase.source),
        tuple(word for phrase in phrases for word in phrase.target),
    )


def _clause_sizes(length: int, random: Random) -> list[int]:
    """Return sizes of clauses that, with a conjunction before each but the first, add up to `length` words."""
    fewest = -(-(length + 1) // (_CLAUSE_LONGEST + 1))
    most = (length + 1) // (_CLAUSE_SHORTEST + 1)
    clauses = random.randint(fewest, max(fewest, (fewest + most) // 2))
    sizes = [_CLAUSE_SHORTEST] * clauses
    for _ in range(length - (clauses - 1) - sum(sizes)):
        growing = random.choice([i for i, size in enumerate(sizes) if size < _CLAUSE_LONGEST])
        sizes[growing] += 1
    return sizes


def _clause(lexicon: _Lexicon, size: int, random: Random) -> _Phrase:
    """Return a clause of `size` words: in the source adverb?, subject, object, places, verb."""
    counts = _clause_parts(size - _CLAUSE_SHORTEST, random)
    subject, thing = random.choice(lexicon.nouns), random.choice(lexicon.nouns)
    verb = random.choice(lexicon.verbs)
    adverb = _joined(*(random.choice(lexicon.adverbs) for _ in range(counts["adverb"])))
    subject_phrase = _with_adjectives(subject.phrase, counts["subject"], lexicon, random)
    object_phrase = _with_adjectives(thing.phrase, counts["object"], lexicon, random)
    places = _joined(*(_place(lexicon, random) for _ in range(counts["place"])))
    agreeing = verb.plural if subject.plural else verb.singular
    return _Phrase(
        (*adverb.source, *subject_phrase.source, *object_phrase.source, *places.source, verb.source),
        (*subject_phrase.target, agreeing, *object_phrase.target, *places.target, *adverb.target),
    )


_SINGLE_WORDS = ("adverb", "subject", "subject", "object", "object")
_MOST_PLACES = 2


def _clause_parts(words: int, random: Random) -> Counter[str]:
    """Return how many adverbs, adjectives of subject and object, and places take up `words` words (at most 9)."""
    places = random.choice([n for n in range(_MOST_PLACES + 1) if 0 <= words - 2 * n <= len(_SINGLE_WORDS)])
    return Counter(place=places) + Counter(random.sample(_SINGLE_WORDS, words - 2 * places))


def _with_adjectives(noun: _Phrase, count: int, lexicon: _Lexicon, random: Random) -> _Phrase:
    adjectives = _joined(*(random.choice(lexicon.adjectives) for _ in range(count)))
    return _Phrase(adjectives.source + noun.source, noun.target + adjectives.target)


def _place(lexicon: _Lexicon, random: Random) -> _Phrase:
    noun, adposition = random.choice(lexicon.nouns).phrase, random.choice(lexicon.adpositions)
    return _Phrase(noun.source + adposition.source, adposition.target + noun.target)
