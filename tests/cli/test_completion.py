"""What shells offer: by their protocol, and in the shells that are installed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command

from attncli.cli.completion import METRICS, _uncut
from attncli.config.keys import Keys
from attncli.config.load import CONFIGS
from attncli.config.shipped import SCHEMA, shipped_names, shipped_sets
from attncli.data.sets.catalogue import DATA_SETS

BIN = Path(sys.executable).parent
Offered = Callable[..., list[str]]


@pytest.fixture(params=["bash", "zsh", "fish"])
def offered(
    request: pytest.FixtureRequest, attncli: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Offered:
    """Return a function that gives what the shell would insert behind words, the last of which is being typed."""
    monkeypatch.chdir(tmp_path)

    def ask(*words: str) -> list[str]:
        line = " ".join(["attncli", *words])
        monkeypatch.setenv("_ATTNCLI_COMPLETE", f"complete_{request.param}")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["attncli", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        out = attncli().out
        lines = out.replace("_arguments '*: :((", "").replace("))'", "").splitlines()
        values = [each.split("\t")[0].split('":"')[0].strip('"').replace("\\\\:", ":") for each in lines]
        return [] if values == ["_files"] else [each for each in values if each]

    return ask


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder runs/de-en of a run, beside which there is another folder of runs."""
    for name in ("runs/de-en", "runs/demo/none"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("task: captioning\ndata: {test: {news: {}, talks: {}}}\n")
    for name in ("best", "last", "kept/step-00000300"):
        folder = tmp_path / "runs/de-en/checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    return tmp_path / "runs/de-en"


def test_commands_and_options_are_offered(offered: Offered) -> None:
    assert offered("tr") == ["train", "translate", "transcribe"]
    assert offered("config", "s") == ["show", "schema"]
    assert offered("train", "--d") == ["--dry-run", "--device"]


def test_values_of_options_are_offered(offered: Offered) -> None:
    assert offered("translate", "x", "--precision", "") == ["fp32", "bf16"]
    assert offered("eval", "x", "--precision", "b") == ["bf16"]
    assert offered("translate", "x", "--format", "") == ["text", "jsonl", "moses"]
    assert offered("visualize", "x", "--format", "")[:2] == ["png", "svg"]
    assert offered("train", "x", "--device", "")[:3] == ["auto", "cpu", "cuda"]
    assert offered("config", "schema", "") == list(CONFIGS)


def test_data_sets_are_offered(offered: Offered) -> None:
    assert offered("data", "get", "") == list(DATA_SETS)
    assert offered("data", "make", "toy-") == [
        "toy-translation",
        "toy-paragraphs",
        "toy-captioning",
        "toy-questions",
        "toy-reviews",
        "toy-speech",
        "toy-clips",
        "toy-actions",
        "toy-arrow-of-time",
        "toy-pictures",
    ]


def test_shipped_configurations_and_sets_and_own_files_are_offered(offered: Offered, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "notes.txt").touch()
    assert set(offered("train", "")) == {"mine.yaml", *shipped_names()}
    assert offered("config", "check", "mi") == ["mine.yaml"]
    assert offered("config", "new", "toy-tran") == ["toy-transformer", "toy-translation"]
    assert offered("compare", "comp") == shipped_sets()


def test_run_folders_are_offered_wherever_they_are(offered: Offered, run: Path) -> None:
    assert offered("translate", "") == ["runs/de-en", "runs/", "runs/de-en", "runs/demo/"]
    assert offered("translate", "runs/de") == ["runs/de-en", "runs/demo/"]
    assert offered("eval", "runs/de-en", "runs/demo") == ["runs/demo/", "runs/demo/none"]
    assert offered("score", f"{run.parent}/de-")[-1:] == [str(run)]


def test_what_a_run_has_is_offered(offered: Offered, run: Path) -> None:
    assert offered("eval", "runs/de-en", "--test", "") == ["news", "talks", "dev"]
    assert offered("eval", "--test", "") == ["dev"]
    assert offered("translate", "runs/de-en", "--checkpoint", "") == ["best", "last", "kept/step-00000300"]
    assert offered("translate", "runs/other", "--checkpoint", "") == ["best", "last"]
    assert offered("eval", "runs/de-en", "--metric", "") == list(METRICS["captioning"])
    assert set(offered("eval", "--metric", "")) == {name for names in METRICS.values() for name in names}


def test_keys_are_offered_level_by_level_and_their_values(offered: Offered, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("task: translation\nmodel: {encoder: {kind: transformer}}\n")
    (tmp_path / "mine.yaml").write_text("base: base.yaml\nmodel: {attention: {score: dot}}\n")
    set_in = ("train", "mine.yaml", "--set")
    assert offered(*set_in, "t") == ["task=", "tokenizer.", "training."]
    assert "model.encoder.heads=" in offered(*set_in, "model.encoder.")
    assert "model.encoder.cell=" not in offered(*set_in, "model.encoder.")
    assert offered(*set_in, "model.attention.sco")[:2] == ["model.attention.score=", "model.attention.score=content"]
    assert offered(*set_in, "search.beam") == ["search.beam_size=", "search.beam_size=5"]
    assert offered(*set_in, "searc")[0] == "search.beam_size="


def test_bash_and_others_complete_behind_an_equals_sign_in_their_ways(
    attncli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_ATTNCLI_COMPLETE", "complete_bash")
    words = ["attncli", "train", "toy-translation", "--set", "model.attention.score", "=", "d"]
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert attncli().out == "dot\n", "what is before = stays"
    monkeypatch.setenv("_ATTNCLI_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "attncli train toy-translation --set model.attention.score=d")
    assert attncli().out == "model.attention.score=dot\n"


@pytest.mark.parametrize(
    ("words", "at", "uncut", "place"),
    [
        (["attncli", "tr"], 1, ["attncli", "tr"], 1),
        (["a", "--set", "x.y", "=", ""], 4, ["a", "--set", "x.y="], 2),
        (["a", "--set", "x.y", "=", "1", "--set", "z", "=", "2"], 8, ["a", "--set", "x.y=1", "--set", "z=2"], 4),
        (["a", "--device", "cuda", ":", "0", "b"], 5, ["a", "--device", "cuda:0", "b"], 3),
    ],
)
def test_words_that_bash_cuts_are_joined_again(words: list[str], at: int, uncut: list[str], place: int) -> None:
    assert _uncut(words, at) == (uncut, place)


def test_metrics_are_those_of_the_tasks() -> None:
    assert {task: set(names) - {"comet"} for task, names in METRICS.items()} == {
        task: set(config.metrics) - {"comet"} for task, config in CONFIGS.items() if hasattr(config, "metrics")
    }


def test_every_key_of_every_task_is_known() -> None:
    def leaves(keys: Keys, path: str, depth: int = 0) -> set[str]:
        found = set()
        for name, _ in keys.below(path) if depth < 5 else ():
            key = f"{path}.{name[:-1]}" if path else name[:-1]
            found |= leaves(keys, key, depth + 1) if name.endswith(".") else {key}
        return found

    for task, config in CONFIGS.items():
        sections = {key.split(".")[0] for key in leaves(Keys({"task": task}), "")}
        assert sections == set(config.model_fields), task
    assert "training.optimizer.betas" in leaves(Keys(), "")
    assert {"model.dropout.layers", "data.maximum_length.source"} <= leaves(Keys({"task": "translation"}), "")
    assert json.loads(SCHEMA.read_text())["$defs"], "whose definitions are read"


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TERM": "dumb",
        "ZDOTDIR": str(home),
    }


def test_a_completion_imports_nothing_large_and_takes_little_time(tmp_path: Path) -> None:
    asked = {"_ATTNCLI_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    line = "attncli train toy-translation --set model.attention.score="
    code = """if True:
        import resource, sys, attncli.cli.main as m
        try:
            m.main()
        finally:
            used = resource.getrusage(resource.RUSAGE_SELF)
            loaded = {"torch", "numpy", "matplotlib", "sacrebleu", "rich.console"} & set(sys.modules)
            print(used.ru_utime + used.ru_stime, *loaded, file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(tmp_path), **asked, "_TYPER_COMPLETE_ARGS": line},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "model.attention.score=dot" in done.stdout.split()
    seconds, *loaded = done.stderr.split()
    assert loaded == []
    assert float(seconds) < 1  # of the processor; a third of it where nobody else uses the machine


def installed(shell: str, home: Path) -> None:
    # typer installs for the shell that it finds to be its parent.
    command = "attncli --install-completion; true"
    done = subprocess.run([shell, "-c", command], env=environment(home), capture_output=True, text=True, check=True)
    assert "completion installed in" in done.stdout, done


def typed(command: list[str], lines: list[str], *, home: Path, until: str) -> str:
    """Return what a terminal shows when `lines` are typed to `command`: once `until` is there, or after a minute."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        os.execvpe(command[0], command, environment(home))
    shown = ""
    try:
        for line in lines:
            os.write(terminal, line.encode())
            end = time.monotonic() + 60
            wanted = until if line is lines[-1] else "READY"
            while time.monotonic() < end and wanted not in shown:
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 4096).decode(errors="replace").replace("\a", "")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
    return shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_installed_script(tmp_path: Path, run: Path) -> None:
    installed("bash", tmp_path)
    start = "PS1=; . ~/.bashrc; echo REA''DY\n"
    line = "attncli translate runs/de-e\t --check\t kept\t"
    shown = typed(["bash", "--norc", "-i"], [start, line], home=tmp_path, until="kept/step-00000300")
    assert "attncli translate runs/de-en  --checkpoint  kept/step-00000300" in shown
    line = "attncli train toy-translation --set model.att\t.sco\t"
    shown = typed(["bash", "--norc", "-i"], [start, line], home=tmp_path, until="model.attention.score=")
    assert "--set model.attention.score=" in shown


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_with_the_installed_script(tmp_path: Path, run: Path) -> None:
    installed("zsh", tmp_path)
    # At the first tab zsh reads typer's script, at the second it uses it.
    lines = ["PS1=; echo REA''DY\n", "attncli translate runs/de-e\t\t --check\t kept\t"]
    shown = typed(["zsh", "-i"], lines, home=tmp_path, until="kept/step-00000300")
    assert re.search(r"attncli translate runs/de-en\W+--checkpoint\W+kept/step-00000300", shown)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_with_the_installed_script(tmp_path: Path, run: Path) -> None:
    installed("fish", tmp_path)
    script = tmp_path / ".config/fish/completions/attncli.fish"
    command = f"source {script}; complete -C 'attncli translate runs/de-en --checkpoint k'"
    done = subprocess.run(
        ["fish", "-c", command], env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["kept/step-00000300"]
