"""METEOR 1.5 for English (Denkowski and Lavie 2014), by the original Java program, which `pycocoevalcap` ships.

F statistics of a sentence: lengths, matches of four kinds and chunks. They add up, so that one run of the
program scores any part of a test set.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from attncli.errors import UserError
from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.metric import Array, Metric, References, SentenceStatistics, by_sentence

# The parameters for English, tuned to human rankings of translations.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_KINDS = np.array([1.0, 0.6, 0.8, 0.6])  # weights of exact, stem, synonym and paraphrase matches
_STATISTICS = 23
_COMMAND = ("java", "-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm")
_SEPARATOR = " ||| "


def _measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    lines = [
        _SEPARATOR.join(["SCORE", *(_plain(text) for text in texts), _plain(hypothesis)])
        for hypothesis, texts in zip(hypotheses, by_sentence(hypotheses, references), strict=True)
    ]
    values = np.array([_row(line) for line in _run(lines, program_folder())])
    return SentenceStatistics(values, f"nrefs:{len(references)}|case:lc|tok:coco|lang:en|version:1.5", _score)


def _plain(text: str) -> str:
    return " ".join(token for token in caption_tokens(text) if "|||" not in token)


def program_folder() -> Path:
    """Return the folder of the Java program, or raise a UserError that says what is missing."""
    if shutil.which("java") is None:
        raise UserError(
            "METEOR is a Java program, but 'java' was not found; install a Java runtime, or leave out meteor"
        )
    if (found := importlib.util.find_spec("pycocoevalcap")) is None or found.submodule_search_locations is None:
        raise UserError(
            "METEOR needs the package pycocoevalcap; install it with: pip install 'attncli[captions]', or leave out "
            "meteor"
        )
    return Path(next(iter(found.submodule_search_locations))) / "meteor"


def _run(lines: Sequence[str], folder: Path) -> list[str]:
    """Return the answer of the program to each of `lines`."""
    finished = subprocess.run(
        _COMMAND,
        cwd=folder,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    answers = finished.stdout.splitlines()
    if finished.returncode or len(answers) != len(lines):
        said = finished.stderr.strip().splitlines()
        raise UserError(f"METEOR's Java program failed: {said[-1] if said else f'exit code {finished.returncode}'}")
    return answers


def _row(answer: str) -> list[float]:
    row = [float(number) for number in answer.split()]
    if len(row) != _STATISTICS:
        raise UserError(f"METEOR's Java program answered {answer[:60]!r}, not {_STATISTICS} numbers")
    length, reference_length, (chunks, matches, reference_matches) = row[0], row[1], row[20:]
    if chunks == 1 and (matches, reference_matches) == (length, reference_length):
        row[20] = 0.0  # a perfect match has no fragmentation, also in a sum over sentences
    return row


def _score(totals: Array) -> float:
    """Return the score of summed statistics: a weighted F of matched words, reduced for matches in many chunks.

    Denkowski and Lavie 2014, section 2; content words have weight δ, function words 1 - δ.
    """
    length, reference_length, function_words, reference_function_words = totals[:4].tolist()
    content, reference_content, function, reference_function = (totals[4:20].reshape(4, 4).T @ _KINDS).tolist()
    chunks, matches, reference_matches = totals[20:].tolist()
    if not matches or not reference_matches:
        return 0.0
    precision = _weighted(content, function) / _weighted(length - function_words, function_words)
    recall = _weighted(reference_content, reference_function) / _weighted(
        reference_length - reference_function_words, reference_function_words
    )
    mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
    fragmentation = 2 * chunks / (matches + reference_matches)
    return float(100 * mean * (1 - _GAMMA * fragmentation**_BETA))


def _weighted(content: float, function: float) -> float:
    return _DELTA * content + (1 - _DELTA) * function


METEOR = Metric("METEOR", lower_is_better=False, measure=_measure)
