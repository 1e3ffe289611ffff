"""Captioning from end to end: train, resume, caption, eval and visualize on a few toy pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from typer.testing import CliRunner, Result

from attncli.cli.main import app
from attncli.config.load import read_config
from attncli.config.sources.images import Preprocessing
from attncli.data.sets.toy_captioning import ToyPictureSizes, make_toy_captioning
from attncli.errors import CommandError, DataError, RunError
from attncli.evaluation.test_set import configured_set
from attncli.metrics.coco import CIDER
from attncli.sources.images.batch import Pixels, stack_images
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0
from attncli.sources.images.reader import ImageReader


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})


def scores(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == "validation"]


def test_training_validates_by_captions(captioners: Path) -> None:
    found = scores(captioners / "trained")
    assert found
    assert {"loss", "bleu", "bleu_4", "cider"} <= set(found[-1])
    metadata = json.loads((captioners / "trained" / "metadata.json").read_text())
    assert metadata["signatures"]["bleu_4"].endswith("tok:coco|smooth:none|order:4")


def test_a_resumed_run_ends_with_the_same_weights(captioners: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    whole, stopped = ["--run", run, "--device", "cpu"], ["--set", "training.max_steps=5"]
    assert invoke("train", captioners / "small.yaml", *whole, *stopped).exit_code == 0
    assert invoke("train", captioners / "small.yaml", *whole, "--resume").exit_code == 0
    weights = "checkpoints/last/model.safetensors"
    assert (run / weights).read_bytes() == (captioners / "trained" / weights).read_bytes()


def test_caption_writes_a_line_a_picture_and_survives_bad_files(captioners: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "below").mkdir(parents=True)
    names = ["a.png", "below/b.png", "c.png"]
    for name in names:
        Image.effect_noise((40, 30), 50).save(pictures / name)
    (pictures / "bad.jpg").write_text("no picture")
    result = invoke("caption", captioners / "trained", pictures, "--device", "cpu")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        str(pictures / name) for name in ("a.png", "below/b.png", "c.png")
    ]
    assert result.stderr == f"attncli: {pictures}/bad.jpg: not an image of a known kind\n"
    assert isinstance(result.exception, DataError)
    assert str(result.exception) == "1 of 4 files could not be captioned"


def test_caption_takes_files_and_patterns_and_writes_json(captioners: Path, tmp_path: Path) -> None:
    images = captioners / "images"
    out = tmp_path / "out.jsonl"
    given = ["--format", "jsonl", "--attention", "--n-best", "2", "--output", out]
    assert (
        invoke("caption", captioners / "trained", images / "dev-*1.png", images / "test-00002.png", *given).exit_code
        == 0
    )
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [Path(record["path"]).name for record in records] == ["dev-00001.png", "test-00002.png"]
    best = records[0]["hypotheses"][0]
    assert len(records[0]["hypotheses"]) == 2
    assert np.shape(best["attention"]) == (len(best["tokens"]), 8, 8)
    assert np.allclose(np.sum(best["attention"], (1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{images}/nothing-*.png"], "nothing-*.png: matches no file"),
        (["{images}/dev-00001.png", "--n-best", "9"], "--n-best 9: a beam of 3 has no more; add --beam-size 9"),
        (["{images}/dev-00001.png", "--attention"], "--attention writes weights into JSON; add --format jsonl"),
        (["{empty}"], "empty: there is no image in this folder"),
    ],
)
def test_caption_says_what_is_wrong(captioners: Path, tmp_path: Path, arguments: list[str], expected: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"images": captioners / "images", "empty": tmp_path / "empty"}
    error = invoke("caption", captioners / "trained", *(text.format(**places) for text in arguments)).exception
    assert isinstance(error, CommandError)
    assert str(error).endswith(expected)


def test_eval_scores_against_all_references(captioners: Path, tmp_path: Path) -> None:
    result = invoke("eval", captioners / "trained", "--output", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.stderr == "trained: decoding 6 images of test\n"
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (run,) = report["runs"]
    assert report["length_of"] == "reference"
    assert report["references"] == 2
    keys = ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider")
    for key in keys:
        assert run[key]["low"] <= run[key]["score"] <= run[key]["high"]
    assert "BLEU-4" in result.stdout
    assert "trained tokens/s" in result.stdout
    assert re.search(r"\d MiB  ", result.stdout)  # the peak memory of its training
    assert len((tmp_path / "out" / "hypotheses.txt").read_text().splitlines()) == 6
    again = invoke(
        "eval",
        captioners / "trained",
        "--hypotheses",
        tmp_path / "out" / "hypotheses.txt",
        "--output",
        tmp_path / "again",
    )
    assert again.exit_code == 0, again.output
    found, file = json.loads((tmp_path / "again" / "report.json").read_text())["runs"]
    assert found["cider"] == file["cider"] == run["cider"]


def test_the_dev_set_scores_as_it_did_in_training(captioners: Path, tmp_path: Path) -> None:
    run = captioners / "trained"
    options = ("--test", "dev", "--checkpoint", "last", "--beam-size", "1", "--device", "cpu", "--output", tmp_path)
    result = invoke("eval", run, *options)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    *_, last, _ = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    assert (last["event"], report["test"], report["sources"]) == ("validation", "dev", 4)
    found = {name: report["runs"][0][name]["score"] for name in ("bleu", "bleu_4", "cider")}
    assert found == pytest.approx({name: last[name] for name in found})
    assert last["cider"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--precision", "fp16"], "--precision: unknown value 'fp16'; did you mean 'bf16'? choose from fp32, bf16"),
        (["--metric", "ter"], "--metric: unknown value 'ter'; did you mean 'wer'? choose from bleu, bleu_1, bleu_2"),
        (["--test", "tests"], "RUN: unknown test set 'tests'; did you mean 'test'? choose from test, dev"),
    ],
)
def test_eval_says_what_is_wrong(captioners: Path, arguments: list[str], expected: str) -> None:
    error = invoke("eval", captioners / "trained", *arguments, "--device", "cpu").exception
    assert isinstance(error, CommandError)
    assert str(error).startswith(expected.replace("RUN", str(captioners / "trained")))


def test_visualize_draws_the_picture_once_a_word(captioners: Path, tmp_path: Path) -> None:
    image = captioners / "images" / "dev-00001.png"
    result = invoke("visualize", captioners / "trained", "--image", image, "--output", tmp_path)
    assert result.stdout == f"wrote {tmp_path}/attention-1-dev-00001.png\n"
    assert (
        invoke(
            "visualize", captioners / "trained", "--image", image, "--output", tmp_path, "--format", "json"
        ).exit_code
        == 0
    )
    (found,) = json.loads((tmp_path / "attention.json").read_text())
    assert found["grid"] == [8, 8]
    assert np.shape(found["weights"]) == (len(found["target_tokens"]), 64)
    words = [token for token in found["target_tokens"] if token != "</s>"]
    with Image.open(tmp_path / "attention-1-dev-00001.png") as drawn:
        # The picture and one a word, six beside each other, of 1.7 inches and 160 pixels an inch.
        assert round(drawn.width / 276) == min(6, 1 + len(words))


def test_several_pictures_are_on_a_sheet_too_and_bad_files_are_told(captioners: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    for name in ("a.png", "below/b.png"):
        Image.effect_noise((40, 30), 50).save(tmp_path / "in" / name)
    (tmp_path / "in" / "bad.jpg").write_text("no picture")
    pattern, out = captioners / "images" / "dev-*1.png", tmp_path / "out"
    arguments = ["--image", tmp_path / "in", "--image", pattern, "--output", out, "--format", "svg"]
    result = invoke("visualize", captioners / "trained", *arguments, "--device", "cpu")
    names = ["attention-1-a.svg", "attention-2-b.svg", "attention-3-dev-00001.svg", "contact-sheet.svg"]
    assert result.stdout == "".join(f"wrote {out / name}\n" for name in names)
    assert result.stderr == f"attncli: {tmp_path}/in/bad.jpg: not an image of a known kind\n"
    assert isinstance(result.exception, DataError)
    assert str(result.exception) == "1 of 4 files could not be drawn"
    assert result.exception.exit_code == 1
    assert sorted(path.name for path in out.iterdir()) == names


def test_many_pictures_have_sheets_with_numbers(captioners: Path, tmp_path: Path) -> None:
    result = invoke(
        "visualize", captioners / "trained", "--image", captioners / "images", "--output", tmp_path, "--device", "cpu"
    )
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("contact-sheet*")) == [
        "contact-sheet-1.png",
        "contact-sheet-2.png",
    ]


def test_json_has_every_picture_and_no_sheet(captioners: Path, tmp_path: Path) -> None:
    images = [part for name in ("dev-00001.png", "dev-00002.png") for part in ("--image", captioners / "images" / name)]
    assert invoke("visualize", captioners / "trained", *images, "--output", tmp_path, "--format", "json").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["attention.json"]
    found = json.loads((tmp_path / "attention.json").read_text())
    assert [Path(each["image"]).name for each in found] == ["dev-00001.png", "dev-00002.png"]


def test_nothing_but_bad_files_is_an_error(captioners: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("no picture")
    error = invoke("visualize", captioners / "trained", "--image", tmp_path / "bad.jpg", "--output", tmp_path).exception
    assert isinstance(error, RunError)
    assert str(error) == "none of the files can be read, so nothing was drawn"


def test_a_run_without_attention_has_captions_to_draw_and_no_weights(captioners: Path, tmp_path: Path) -> None:
    changes = [
        "model.attention=none",
        "model.decoder={hidden_size: 8}",
        "training.max_steps=1",
    ]
    run, sets = tmp_path / "none", [part for change in changes for part in ("--set", change)]
    assert invoke("train", captioners / "small.yaml", "--run", run, *sets, "--device", "cpu").exit_code == 0
    arguments = ["visualize", run, "--image", captioners / "images" / "dev-00001.png", "--output", tmp_path / "out"]
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert result.stdout == f"wrote {tmp_path}/out/contact-sheet.png\n"
    problem = (
        f"{run}: there are no weights to draw: the model has attention: none, so its decoder looks at no part of the "
        "source in particular; "
    )
    assert result.stderr == f"attncli: {problem}only what was written is drawn\n"
    error = invoke(*arguments, "--format", "json").exception
    assert isinstance(error, RunError)
    assert str(error) == f"{problem}choose a run trained with an attention"
    assert invoke("caption", run, captioners / "images" / "dev-00001.png").exit_code == 0


def test_bad_training_pictures_stop_or_are_left_out(captioners: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_toy_captioning(root, ToyPictureSizes(train=8, dev=2, test=1), seed=2)
    (root / "images" / "train-00003.png").write_bytes(b"")
    (root / "small.yaml").write_text((captioners / "small.yaml").read_text().replace(str(captioners), str(root)))
    arguments = ["train", root / "small.yaml", "--device", "cpu", "--set", "training.max_steps=1"]
    error = invoke(*arguments, "--run", tmp_path / "one").exception
    assert isinstance(error, DataError)
    assert str(error) == (
        f"{root}/images/train-00003.png: an empty file, not an image\n"
        "mend these, or leave training images out with data.bad_pictures: skip"
    )
    result = invoke(*arguments, "--run", tmp_path / "two", "--set", "data.bad_pictures=skip")
    assert result.exit_code == 0
    assert "train: left out 1 bad image, such as" in result.output


def test_a_run_of_another_task_is_refused(trained: Path, captioners: Path) -> None:
    error = invoke("caption", trained, captioners / "images").exception
    assert isinstance(error, CommandError)
    assert str(error) == f"{trained}: this run reads sentences; use attncli translate"


def test_crops_for_a_fixed_encoder_are_refused(captioners: Path) -> None:
    changed = "model.encoder={kind: efficientnet_lite0}"
    error = invoke("config", "check", captioners / "small.yaml", "--set", changed).exception
    assert "training.augmentation.smallest_crop: the features of a frozen encoder are computed only once" in str(error)
    odd = invoke("config", "check", captioners / "small.yaml", "--set", "model.encoder.preprocessing.size=30").exception
    assert "model.encoder.preprocessing.size: 30 cannot be halved 2 times" in str(odd)


def test_a_fixed_encoder_trains_on_features_of_mirror_images_too(captioners: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.manual_seed(1)
    network = EfficientNetLite0(layer="head", fine_tune_from=0, rate_factor=1.0, pools=False)
    # Statistics of some pictures, without which so deep a network of random weights gives next to nothing.
    for _ in range(40):
        network.train()(Pixels(torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)))
    network.eval()
    torch.save(network.state_dict(), weights)
    changes = [
        f"model.encoder={{kind: efficientnet_lite0, weights: {weights}, memory_size: 9, layer: head, "
        "preprocessing: {size: 32}}",
        "training.augmentation={flip: true}",
        "training.max_steps=2",
        f"data.cache={tmp_path}/cache",
    ]
    sets = [part for change in changes for part in ("--set", change)]
    assert (
        invoke("train", captioners / "small.yaml", "--run", tmp_path / "run", "--device", "cpu", *sets).exit_code == 0
    )
    stores = sorted((tmp_path / "cache" / "features").iterdir(), key=lambda store: (store / "pictures").stat().st_size)
    assert [len((store / "pictures").read_text().splitlines()) for store in stores] == [20, 20 + 4]
    # The first training picture, mirrored by Pillow before anything else; what is kept is in half precision.
    with Image.open(captioners / "images" / "train-00001.png") as picture:
        ImageOps.mirror(picture).save(tmp_path / "mirrored.png")
    expected = network(stack_images([ImageReader(Preprocessing(size=32)).read(str(tmp_path / "mirrored.png"))]))
    wanted = expected.regions.detach().flatten().numpy()
    mirrored, plain = (
        np.fromfile(store / "features.f16", np.float16).reshape(rows, -1)[:, : len(wanted)]
        for store, rows in zip(stores, (20, 24), strict=True)
    )
    # As near as half precision lets it be, and ten times nearer than any picture that is not mirrored.
    nearest, other = (np.abs(rows - wanted).max(1).min() for rows in (mirrored, plain))
    assert nearest < 1e-2 * np.abs(wanted).max()
    assert other > 10 * nearest


def test_features_of_a_fixed_encoder_are_computed_once(
    captioners: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.pth"
    torch.manual_seed(1)
    torch.save(EfficientNetLite0(layer="head", fine_tune_from=None, rate_factor=1.0, pools=True).state_dict(), weights)
    changes = [
        f"model.encoder={{kind: efficientnet_lite0, weights: {weights}, memory_size: 9, preprocessing: {{size: 32}}}}",
        "training.augmentation={}",
        "training.max_steps=2",
        f"data.cache={tmp_path}/cache",
    ]
    sets = [part for change in changes for part in ("--set", change)]
    arguments = ["train", captioners / "small.yaml", "--device", "cpu", *sets]
    assert invoke(*arguments, "--run", tmp_path / "one").exit_code == 0
    (store,) = (tmp_path / "cache" / "features").iterdir()
    assert len((store / "pictures").read_text().splitlines()) == 20 + 4
    monkeypatch.setattr("attncli.sources.images.kind.encoded", lambda *given: pytest.fail("computed again"))
    assert invoke(*arguments, "--run", tmp_path / "two").exit_code == 0
    model = "checkpoints/last/model.safetensors"
    assert (tmp_path / "one" / model).read_bytes() == (tmp_path / "two" / model).read_bytes()
    result = invoke("caption", tmp_path / "two", captioners / "images" / "test-00001.png")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{captioners}/images/test-00001.png\t")


def test_draws_repeat_with_their_seed(captioners: Path) -> None:
    images = captioners / "images" / "test-0000[1-3].png"
    command = (
        "caption",
        captioners / "trained",
        images,
        "--sample",
        "--n-best",
        3,
        "--temperature",
        2,
        "--device",
        "cpu",
    )
    first, again, other = (invoke(*map(str, command), "--seed", str(seed)).stdout for seed in (1, 1, 2))
    assert len(first.splitlines()) == 9
    assert first == again != other


def test_a_given_caption_is_aligned_with_its_image(captioners: Path, tmp_path: Path) -> None:
    image = captioners / "images" / "dev-00001.png"
    arguments = ["visualize", captioners / "trained", "--image", image, "--output", tmp_path, "--device", "cpu"]
    assert invoke(*arguments, "--target", "a small circle", "--format", "json").exit_code == 0
    (found,) = json.loads((tmp_path / "attention.json").read_text())
    assert found["caption"] == "a small circle"
    assert found["target_tokens"][-1] == "</s>"
    assert np.shape(found["weights"]) == (len(found["target_tokens"]), 64)
    error = invoke(*arguments, "--target", "a", "--target", "b").exception
    assert str(error) == "--target: 2 for 1 sources; give one for each, in their order"


def test_heads_of_a_transformer_captioner_are_drawn(captioners: Path, tmp_path: Path) -> None:
    changes = [
        "model.attention={score: scaled_dot}",
        "model.decoder={kind: transformer, hidden_size: 6, heads: 2, layers: 2, feed_forward_size: 9}",
        "training.max_steps=1",
    ]
    run, sets = tmp_path / "run", [part for change in changes for part in ("--set", change)]
    assert invoke("train", captioners / "small.yaml", "--run", run, *sets, "--device", "cpu").exit_code == 0
    image = captioners / "images" / "dev-00001.png"
    arguments = ["visualize", run, "--image", image, "--output", tmp_path, "--heads", "--layer", "1", "--device", "cpu"]
    result = invoke(*arguments, "--self-attention", "--format", "json")
    assert result.exit_code == 0, result.exception
    decoder, cross = json.loads((tmp_path / "heads.json").read_text())
    assert (decoder["kind"], cross["kind"], cross["layer"]) == ("decoder-self-attention", "heads", 1)
    assert cross["columns"][:9] == ["1,1", "1,2", "1,3", "1,4", "1,5", "1,6", "1,7", "1,8", "2,1"]
    assert np.shape(cross["heads"]["layer 1, head 2"]) == (len(cross["rows"]), 64)
    assert invoke(*arguments).stdout == f"wrote {tmp_path}/heads-1.png\n"
    error = invoke("visualize", captioners / "trained", "--image", image, "--heads").exception
    assert str(error).endswith("choose a run with a transformer decoder")


def captioned(captioners: Path, run: Path, split: str, *options: str) -> tuple[list[str], list[list[str | None]]]:
    """Return what `caption` writes for the images of a split, and their references as sets."""
    records = [json.loads(line) for line in (captioners / "captions.jsonl").read_text().splitlines()]
    of_split = [record for record in records if record["split"] == split]
    paths = [captioners / "images" / record["image"] for record in of_split]
    lines = invoke("caption", run, *paths, "--device", "cpu", *options).stdout.splitlines()
    most = max(len(record["captions"]) for record in of_split)
    sets = [[(*record["captions"], *[None] * most)[at] for record in of_split] for at in range(most)]
    return [line.split("\t")[1] for line in lines], sets


def test_images_of_a_test_set_have_their_own_references(captioners: Path) -> None:
    found = configured_set(read_config(captioners / "small.yaml"), "test", where="here")  # type: ignore[arg-type]
    records = [json.loads(line) for line in (captioners / "captions.jsonl").read_text().splitlines()]
    captions = {record["image"]: record["captions"] for record in records}
    assert found.sources is not None
    assert len(found) == len({*found.sources}) == 6
    assert [Path(cell).name for cell in found.cells] == list(found.sources)
    for name, texts in zip(found.sources, zip(*found.references, strict=True), strict=True):
        assert [text for text in texts if text is not None] == captions[name]


def test_a_validation_scores_the_best_of_its_beam(captioners: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    changes = ["training.validation={beam_size: 3}", "training.max_steps=12", "search.length_penalty=0"]
    sets = [part for change in changes for part in ("--set", change)]
    assert invoke("train", captioners / "small.yaml", "--run", run, *sets, "--device", "cpu").exit_code == 0
    texts, references = captioned(captioners, run, "dev", "--checkpoint", "last")
    # Not BLEU, which is 0 after so short a training.
    assert scores(run)[-1]["cider"] == pytest.approx(CIDER.measure(texts, references).score())
    worst, _ = captioned(captioners, run, "dev", "--checkpoint", "last", "--n-best", "3")
    assert CIDER.measure(worst[2::3], references).score() != pytest.approx(scores(run)[-1]["cider"])
