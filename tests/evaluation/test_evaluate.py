"""Evaluation: scores, bins by hand, comparisons, notes, and their JSON and text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import LengthOf, System, evaluate
from attncli.evaluation.report import Report, Speed, TrainingCost
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.bootstrap import Bounds, Difference, resampled_scores
from attncli.metrics.coco import CIDER
from attncli.metrics.registry import ALL_METRICS, METRICS
from attncli.reports.text import markdown_text, terminal_text

SOURCES = (
    "ein Hund rennt",
    "zwei Männer sitzen auf der Bank",
    "sie liest",
    "ein Mann und eine Frau gehen durch den Park",
)
REFERENCES = (
    "a dog is running fast",
    "two men sit on the bench",
    "she is reading a book",
    "a man and a woman walk through the park",
)
GOOD = ("a dog is running fast", "two men sit on a bench", "she is reading", "a man and a woman walk through the park")
BAD = ("the dog is running fast now", "two men sit", "she is reading a big book", "a man and the woman are in the park")
SETTINGS = Evaluation(length_bins=(3, 6, 8), bootstrap_samples=40, seed=7)
TEST = EvaluationSet("park", SOURCES, (REFERENCES,))


def report(*systems: System, metrics: Sequence[str] = tuple(METRICS), length_of: LengthOf = "source") -> Report:
    chosen = {key: ALL_METRICS[key] for key in metrics}
    return evaluate(TEST, systems, SETTINGS, metrics=chosen, length_of=length_of)


def bleu(hypotheses: tuple[str, ...], chosen: list[int]) -> float:
    kept = [hypotheses[i] for i in chosen], [[REFERENCES[i] for i in chosen]]
    return sacrebleu.corpus_bleu(*kept).score


def test_bins_score_the_corpus_of_their_sentences() -> None:
    # Sources of 3, 6, 2 and 9 words.
    found = report(System("good", GOOD)).systems[0].by_length
    assert [(b.first, b.last, b.sources) for b in found] == [(1, 3, 2), (4, 6, 1), (9, None, 1)]
    assert [b.score.score for b in found] == pytest.approx([bleu(GOOD, c) for c in ([0, 2], [1], [3])])
    assert all(b.score.low <= b.score.score <= b.score.high for b in found)


def test_length_of_the_reference_can_be_counted_instead() -> None:
    # References of 5, 6, 5 and 9 words.
    found = report(System("good", GOOD), length_of="reference")
    assert found.length_of == "reference"
    assert [b.sources for b in found.systems[0].by_length] == [3, 1]


def test_sources_that_last_are_sorted_by_their_seconds() -> None:
    settings = Evaluation(duration_bins=(0.5, 2), bootstrap_samples=40, seed=7)
    films = replace(TEST, sources=("a.gif", "b.gif", "c.gif", "d.gif"), noun="film")
    seen = System("seen", GOOD, durations=(2.0, 0.4, 3.5, 1.9))
    # The other was not decoded.
    found = evaluate(films, [System("given", BAD), seen], settings, metrics={"bleu": ALL_METRICS["bleu"]})
    assert (found.length_of, found.length_unit, found.length) == ("source", "seconds", "seconds of the film")
    assert [(b.label, b.sources) for b in found.systems[1].by_length] == [("0–0.5", 1), ("0.5–2", 2), ("2+", 1)]
    assert [b.score.score for b in found.systems[1].by_length] == pytest.approx(
        [bleu(GOOD, each) for each in ([1], [0, 3], [2])]
    )
    text = terminal_text(found)
    assert text.split("BLEU by seconds of the film\n")[1].startswith("seconds")
    assert found.as_json()["length_unit"] == "seconds"
    by_words = evaluate(films, [seen], settings, metrics=found.metrics, length_of="reference")
    assert by_words.length == "words of the reference"


def test_json_has_the_agreed_form() -> None:
    speed = Speed(seconds=2.0, sources=4, tokens=30)
    systems = System("good", GOOD, speed, {"beam_size": 5}), System("bad", BAD)
    found = json.loads(json.dumps(report(*systems).as_json()))
    assert (found["test"], found["sources"], found["noun"]) == ("park", 4, "sentence")
    assert (found["references"], found["length_of"]) == (1, "source")
    assert found["bootstrap"] == {"samples": 40, "seed": 7}
    first, second = found["runs"]
    assert (first["run"], first["beam_size"]) == ("good", 5)
    assert first["speed"] == {"seconds": 2.0, "sources_per_second": 2.0, "tokens_per_second": 15.0}
    assert second["speed"] is None
    assert first["bleu"]["score"] == pytest.approx(bleu(GOOD, [0, 1, 2, 3]))
    assert first["bleu"]["low"] <= first["bleu"]["score"] <= first["bleu"]["high"]
    assert first["chrf"]["score"] == pytest.approx(sacrebleu.corpus_chrf(GOOD, [REFERENCES]).score)
    assert first["ter"]["score"] == pytest.approx(sacrebleu.corpus_ter(GOOD, [REFERENCES]).score)
    assert "smooth:exp" in first["bleu"]["signature"]
    assert set(first["by_length"][0]) == {"from", "to", "sources", "bleu", "low", "high"}
    assert [found["metric"] for found in found["comparisons"]] == ["bleu", "chrf", "ter"]
    for comparison in found["comparisons"]:
        key = comparison["metric"]
        assert (comparison["a"], comparison["b"]) == ("good", "bad")
        assert comparison["difference"] == pytest.approx(first[key]["score"] - second[key]["score"])
        assert comparison["low"] <= comparison["difference"] <= comparison["high"]
        assert 0 < comparison["p_value"] <= 1
        assert ("by_length" in comparison) == (key == "bleu")
    by_length = [a["bleu"] - b["bleu"] for a, b in zip(first["by_length"], second["by_length"], strict=True)]
    assert [d["difference"] for d in found["comparisons"][0]["by_length"]] == pytest.approx(by_length)


def test_every_pair_of_systems_is_compared_and_the_same_ones_do_not_differ() -> None:
    found = report(System("good", GOOD), System("bad", BAD), System("again", GOOD)).comparisons
    assert [(c.a, c.b) for c in found] == [("good", "bad"), ("good", "again"), ("bad", "again")]
    assert found[1].differences["bleu"].p_value == 1.0
    assert found[0].differences["bleu"].value == -found[2].differences["bleu"].value


def test_of_many_systems_each_is_compared_with_the_first() -> None:
    found = report(*(System(name, BAD if name == "c" else GOOD) for name in "abcde"))
    assert [(c.a, c.b) for c in found.comparisons] == [("b", "a"), ("c", "a"), ("d", "a"), ("e", "a")]
    first, _, third, *_ = (system.scores["bleu"].score for system in found.systems)
    assert found.comparisons[1].differences["bleu"].value == third - first
    assert "each is compared with a, the first" in terminal_text(found)
    # Five variants over three lengths: a line a variant.
    assert "\nc   " in terminal_text(found).split("BLEU by words of the source\n")[1].split("\n\n")[0]


def seeded() -> Report:
    cost = TrainingCost(1000.0, 90.0, 1 << 20), TrainingCost(3000.0, 30.0)
    systems = [
        System("x-1", GOOD, Speed(2.0, 4, 30), {"parameters": 1200}, (), cost[0], "x"),
        System("y", GOOD),
        System("x-2", BAD, Speed(1.0, 4, 30), {"parameters": 1200}, (), cost[1], "x"),
    ]
    return report(*systems)


def test_a_variant_is_the_mean_of_its_runs_also_in_every_resample() -> None:
    found = seeded()
    x, y = found.variants
    assert ([system.name for system in x.systems], [system.name for system in y.systems]) == (["x-1", "x-2"], ["y"])
    good, bad = bleu(GOOD, [0, 1, 2, 3]), bleu(BAD, [0, 1, 2, 3])
    assert x.scores["bleu"].score == pytest.approx((good + bad) / 2)
    assert x.deviation("bleu") == pytest.approx(np.std([good, bad], ddof=1))
    assert (y.scores, y.by_length) == (found.systems[1].scores, found.systems[1].by_length)
    assert y.deviation("bleu") is None
    [comparison] = found.comparisons
    assert (comparison.a, comparison.b) == ("x", "y")
    assert comparison.differences["bleu"].value == pytest.approx((bad - good) / 2)
    for key, metric in METRICS.items():
        measured = [metric.measure(text, TEST.references) for text in (GOOD, BAD)]
        of_good, of_bad = (statistics.score() for statistics in measured)
        drawn = resampled_scores(measured, samples=40, seed=7)
        assert x.scores[key].score == pytest.approx((of_good + of_bad) / 2)
        assert x.deviation(key) == pytest.approx(np.std([of_good, of_bad], ddof=1))
        assert [x.scores[key].low, x.scores[key].high] == pytest.approx(np.percentile(drawn.mean(0), [2.5, 97.5]))
        difference = comparison.differences[key]
        assert difference.value == pytest.approx((of_bad - of_good) / 2)
        limits = np.percentile(drawn.mean(0) - drawn[0], [2.5, 97.5])
        assert [difference.bounds.low, difference.bounds.high] == pytest.approx(limits)


def test_runs_of_one_variant_alone_are_compared_with_each_other() -> None:
    found = report(System("a", GOOD, variant="x"), System("b", BAD, variant="x"))
    assert [(c.a, c.b) for c in found.comparisons] == [("a", "b")]


def test_json_tells_variants_and_what_training_took() -> None:
    found = json.loads(json.dumps(seeded().as_json()))
    assert [run["training"] for run in found["runs"]] == [
        {"tokens_per_second": 1000.0, "seconds": 90.0, "peak_memory_bytes": 1 << 20},
        None,
        {"tokens_per_second": 3000.0, "seconds": 30.0, "peak_memory_bytes": None},
    ]
    first, second = found["variants"]
    assert (first["variant"], first["runs"], second["runs"]) == ("x", ["x-1", "x-2"], ["y"])
    for key in ("bleu", "chrf", "ter"):
        assert set(first[key]) == {"score", "low", "high", "deviation"}
        runs = [found["runs"][at][key]["score"] for at in (0, 2)]
        assert first[key]["score"] == pytest.approx(np.mean(runs))
        assert first[key]["deviation"] == pytest.approx(np.std(runs, ddof=1))
        assert second[key]["deviation"] is None
    assert set(first["by_length"][0]) == {"from", "to", "sources", "bleu", "low", "high"}


@pytest.mark.parametrize("write", [terminal_text, lambda found: markdown_text(found, "by_length.png")])
def test_text_shows_variants_with_their_mean_cost_and_every_run(write: object) -> None:
    found = seeded()
    text = write(found)  # type: ignore[operator]
    x = found.variants[0]
    for number in (
        f"{x.scores['bleu'].score:.2f} [",
        f"] ± {x.deviation('ter'):.2f}",
        "1,200",
        "0:01:00",
        "2,000",
        "3.0",
        "x-1",
        "x-2",
    ):
        assert number in text
    for system in found.systems:
        assert f"{system.scores['bleu'].score:.2f} [" in text
    assert "Runs that differ in their seeds alone, taken together" in text


def test_same_input_gives_same_numbers_whoever_else_is_scored() -> None:
    alone, beside = report(System("good", GOOD)), report(System("bad", BAD), System("good", GOOD))
    assert alone == report(System("good", GOOD))
    assert alone.systems[0] == beside.systems[1]
    assert beside.of(beside.systems[1]) == alone


def test_metrics_can_be_chosen_and_bleu_is_always_there() -> None:
    assert list(report(System("good", GOOD), metrics=["chrf"]).systems[0].scores) == ["chrf", "bleu"]


def test_the_metric_that_is_asked_for_first_is_the_one_by_length() -> None:
    found = report(System("good", GOOD), System("bad", BAD), metrics=["cider", "chrf"])
    expected = [CIDER.measure(GOOD, [REFERENCES]).part(np.array(chosen)).score() for chosen in ([0, 2], [1], [3])]
    assert [b.score.score for b in found.systems[0].by_length] == pytest.approx(expected)
    told = found.as_json()
    assert set(told["runs"][0]["by_length"][0]) == {"from", "to", "sources", "cider", "low", "high"}
    assert [each["metric"] for each in told["comparisons"]] == ["cider", "chrf", "bleu"]
    assert ["by_length" in each for each in told["comparisons"]] == [True, False, False]
    text, page = terminal_text(found), markdown_text(found, "by_length.png")
    assert "\n\nCIDEr by words of the source\n" in text
    assert f"{expected[0]:.2f} [" in text.split("by words of the source")[1].split("\n\n")[0]
    assert "![CIDEr by length](by_length.png)" in page


def test_several_references_are_used_and_named_in_the_signature() -> None:
    both = EvaluationSet("park", SOURCES, (REFERENCES, GOOD))
    found = evaluate(both, [System("good", GOOD)], SETTINGS)
    assert found.systems[0].scores["bleu"].score == pytest.approx(100)
    assert found.systems[0].signatures["bleu"].startswith("nrefs:2|")
    assert "4 sentences, 2 references each" in terminal_text(found)


def test_tokenised_text_is_noted_where_it_is() -> None:
    tokenised = tuple(f"{line} ." for line in GOOD)
    found = report(System("good", GOOD), System("cut", tokenised, notes=("cut: said by the run",)))
    assert [note.split(":")[0] for note in found.all_notes] == ["hypotheses of cut", "cut"]
    assert "note: hypotheses of cut: 4 of 4 lines look tokenised" in terminal_text(found)
    assert found.of(found.systems[0]).all_notes == ()
    # Of references that do, the rest follows: one note, not one a run as well.
    both = EvaluationSet("park", SOURCES, (tuple(f"{line} ." for line in REFERENCES),))
    notes = evaluate(both, [System("cut", tokenised, notes=("cut: said by the run",))], SETTINGS).all_notes
    assert [note.split(":")[0] for note in notes] == ["references", "cut"]


def numbers_of(found: Report) -> list[str]:
    systems = found.systems
    score = systems[0].scores["bleu"]
    last = systems[1].by_length[-1].score
    return [
        f"{score.score:.2f} [{score.low:.1f}, {score.high:.1f}]",
        f"{systems[1].scores['chrf'].score:.2f} [",
        f"{systems[1].scores['ter'].score:.2f} [",
        f"{last.score:.1f} [{last.low:.1f}, {last.high:.1f}]",
        "good − bad",
        *(
            f"{difference.value:+.2f} [{difference.bounds.low:+.1f}, {difference.bounds.high:+.1f}] "
            f"p={difference.p_value:.3f}"
            for difference in found.comparisons[0].differences.values()
        ),
        f"{systems[0].length_ratio:.3f}",
        "2.0",
        "15",
        f"BLEU {systems[0].signatures['bleu']}",
        f"chrF {systems[0].signatures['chrf']}",
    ]


@pytest.mark.parametrize("write", [terminal_text, lambda found: markdown_text(found, "by_length.png")])
def test_text_shows_every_number(write: object) -> None:
    found = report(System("good", GOOD, Speed(2.0, 4, 30), {"beam_size": 5}), System("bad", BAD))
    text = write(found)  # type: ignore[operator]
    for number in numbers_of(found):
        assert number in text
    assert "park: 4 sentences, 1 reference each; in brackets 95 % bounds from 40 bootstrap resamples (seed 7)" in text
    assert "sacreBLEU's BLEU by words of the source" in text
    assert "(paired bootstrap); ↓: lower is better, so a minus favours the first of a pair" in text


def test_no_difference_has_no_minus() -> None:
    # 1e-15 below, as rounding errors leave it.
    same = report(System("a", GOOD), System("b", GOOD), metrics=["bleu"])
    nearly = replace(same.comparisons[0], differences={"bleu": Difference(-1e-15, Bounds(0, 0), 1)})
    found = terminal_text(replace(same, comparisons=(nearly,)))
    assert "\na − b       +0.00 [+0.0, +0.0] p=1.000\n" in found
    assert "↓" not in found, "nothing here is better when lower"


def test_more_pairs_than_metrics_go_down_the_page() -> None:
    systems = [System(name, text) for name, text in (("a", GOOD), ("b", BAD), ("c", SOURCES))]
    few, many = (
        terminal_text(report(*systems, metrics=metrics)).split("(paired bootstrap)")[1].splitlines()[1:5]
        for metrics in (["bleu", "bleu_1", "chrf", "ter"], ["bleu", "chrf"])
    )
    assert few[0].split() == ["difference", "a", "−", "b", "a", "−", "c", "b", "−", "c"]
    assert [line.split()[0] for line in few[2:]] == ["BLEU", "BLEU-1"]
    assert many[0].split() == ["difference", "BLEU", "chrF"]
    assert [line[:5] for line in many[2:]] == ["a − b", "a − c"]


def test_scores_between_0_and_10_have_a_digit_more() -> None:
    found = report(System("good", GOOD), System("bad", BAD), metrics=["bleu", "cider"])
    score, difference = found.systems[0].scores["cider"], found.comparisons[0].differences["cider"]
    text = terminal_text(found)
    assert f"  {score.score:.3f} [{score.low:.2f}, {score.high:.2f}]  " in text
    low, high = difference.bounds.low, difference.bounds.high
    assert f"  {difference.value:+.3f} [{low:+.2f}, {high:+.2f}] p={difference.p_value:.3f}\n" in text


@pytest.mark.parametrize(("value", "shown"), [(0.0004, "p<0.001"), (0.0006, "p=0.001"), (0.25, "p=0.250")])
def test_a_p_value_is_never_shown_as_0(value: float, shown: str) -> None:
    found = report(System("good", GOOD), System("bad", BAD), metrics=["bleu"])
    difference = Difference(1.0, Bounds(0.5, 1.5), value)
    changed = replace(found.comparisons[0], differences={"bleu": difference})
    assert f"  +1.00 [+0.5, +1.5] {shown}\n" in terminal_text(replace(found, comparisons=(changed,)))


def test_columns_of_the_terminal_table_line_up() -> None:
    table = terminal_text(report(System("good", GOOD), System("a longer name", BAD))).split("\n\n")[1].splitlines()
    assert table[0].split()[:4] == ["run", "BLEU", "chrF", "TER"]
    assert len({len(line) for line in table}) == 1


def test_markdown_escapes_names_and_shows_the_picture() -> None:
    text = markdown_text(report(System("a|b", GOOD)), "by_length.png")
    assert re.search(r"^\| a\\\|b +\| +\d", text, re.MULTILINE)
    assert "![BLEU by length](by_length.png)" in text
    assert "## Comparisons" not in text
