"""What a shell offers for the arguments and options of commands. Each answers at once, so nothing large is imported."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from attncli.config.shipped import shipped_names, shipped_sets, summary_of

Offer = str | tuple[str, str]
"""A value, with what it is."""

METRICS: dict[str, tuple[str, ...]] = {
    "translation": ("bleu", "chrf", "ter", "comet"),
    "summarisation": ("rouge1", "rouge2", "rougeL", "bleu", "chrf"),
    "answering": ("accuracy", "bleu", "chrf"),
    "captioning": ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider", "meteor"),
    "classification": ("accuracy",),
    "transcription": ("wer", "cer"),
}
"""The scores of `eval` by task, as the configurations of the tasks have them."""
_COMPLETE = "_ATTNCLI_COMPLETE"
_BREAKS = "=:"  # where bash cuts words, besides at spaces


def complete_run(incomplete: str) -> list[Offer]:
    """Offer the folders of runs, those in `runs` first, and other folders on the way to one."""
    found: list[Offer] = []
    if "/" not in incomplete and Path("runs").is_dir():
        found = [path for path in _paths("runs/", is_wanted=_is_run) if not path.endswith("/")]
    return [*found, *_paths(incomplete, is_wanted=_is_run)]


def complete_config(incomplete: str) -> list[Offer]:
    """Offer the names of shipped configurations, and files."""
    shipped: list[Offer] = [(name, summary_of(name)) for name in shipped_names() if name.startswith(incomplete)]
    return [*_paths(incomplete, is_wanted=lambda path: path.suffix in (".yaml", ".yml")), *shipped]


def complete_shipped(incomplete: str) -> list[Offer]:
    """Offer the names of shipped configurations."""
    return [(name, summary_of(name)) for name in shipped_names() if name.startswith(incomplete)]


def complete_set(incomplete: str) -> list[Offer]:
    """Offer the names of shipped sets, and folders."""
    shipped: list[Offer] = [(name, summary_of(name)) for name in shipped_sets()]
    return [*shipped, *_paths(incomplete, is_wanted=lambda path: any(path.glob("*.yaml")))]


def complete_test(ctx: Any) -> list[Offer]:
    """Offer the test sets of the runs or the configuration that are typed already, and the dev set."""
    tests = [(config.get("data") or {}).get("test") or {} for config in _typed_configs(ctx)]
    return list(dict.fromkeys([*(name for names in tests for name in names), "dev"]))


def complete_metric(ctx: Any) -> list[Offer]:
    """Offer the scores of the task of the runs that are typed already, or of all tasks."""
    tasks = [config.get("task") for config in _typed_configs(ctx)]
    known = [METRICS[task] for task in tasks if task in METRICS] or list(METRICS.values())
    return list(dict.fromkeys(name for names in known for name in names))


def complete_checkpoint(ctx: Any) -> list[Offer]:
    """Offer the checkpoints of the runs that are typed already."""
    found = [
        path.parent.relative_to(run / "checkpoints").as_posix()
        for run in _typed_runs(ctx)
        for pattern in ("*", "kept/*")
        for path in sorted((run / "checkpoints").glob(f"{pattern}/model.safetensors"))
    ]
    return list(dict.fromkeys(found or ["best", "last"]))


def complete_device() -> list[Offer]:
    """Offer the devices that PyTorch may see here."""
    cards = sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return ["auto", "cpu", "cuda", *(f"cuda:{number}" for number in cards)]


def complete_override(ctx: Any, incomplete: str) -> list[Offer]:
    """Offer the keys of configurations, level by level, and the values of those that have few."""
    from attncli.config.keys import Keys

    keys = Keys(*_typed_configs(ctx)[:1])
    path, equals, _ = incomplete.partition("=")
    if equals:
        return [f"{path}={value}" for value in keys.values(path)]
    above, dot, _ = incomplete.rpartition(".")
    found = _matching(keys.below(above), above + dot, incomplete)
    # What is alone would be completed and end the word.
    while len(found) == 1:
        [(name, _)] = found
        if name.endswith("="):
            return [*found, *(f"{name}{value}" for value in keys.values(name[:-1]))]
        found = _matching(keys.below(name[:-1]), name, name)
    return list(found)


def _matching(offered: Iterable[tuple[str, str]], before: str, start: str) -> list[tuple[str, str]]:
    return [(before + name, what) for name, what in offered if (before + name).startswith(start)]


def complete_task() -> list[Offer]:
    """Offer the tasks of configurations."""
    from attncli.config.keys import Keys

    return list(Keys().values("task"))


def complete_corruption() -> list[Offer]:
    """Offer examples of what may be done to the input of autoencoders."""
    return ["none", "gaussian:0.2", "masking:0.3"]


def choices(*values: str) -> Callable[[], list[Offer]]:
    """Return a function that offers `values`."""
    return lambda: list(values)


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file()


def _paths(incomplete: str, *, is_wanted: Callable[[Path], bool]) -> list[str]:
    """Return the wanted paths that begin with `incomplete`, and the folders to look into, with / behind them."""
    above, slash, start = incomplete.rpartition("/")
    folder = Path(above + slash)
    try:
        names = sorted(path.name for path in folder.iterdir() if path.name.startswith(start))
    except OSError:
        return []
    shown = [name for name in names if start.startswith(".") or not name.startswith(".")]
    found = [
        above + slash + name + ("" if is_wanted(folder / name) else "/")
        for name in shown
        if is_wanted(folder / name) or (folder / name).is_dir()
    ]
    # A folder that is alone would be completed and end the word.
    if len(found) == 1 and found[0].endswith("/"):
        return [*found, *_paths(found[0], is_wanted=is_wanted)]
    return found


def _typed_runs(ctx: Any) -> list[Path]:
    """Return the folders of runs that are typed already."""
    return _typed(ctx, "runs") or _typed(ctx, "run")[:1]


def _typed(ctx: Any, argument: str) -> list[Path]:
    """Return what is typed already for the first argument of the command, if it is called `argument`."""
    first = next((each.name for each in ctx.command.params if each.param_type_name == "argument"), None)
    if first != argument:
        return []
    # Before the value of an option there is an error in the command line, and arguments have not been told apart.
    value = ctx.params.get(argument) or ctx.args
    return [Path(each) for each in (value if isinstance(value, (list, tuple)) else [value])]


def _typed_configs(ctx: Any) -> list[dict[str, Any]]:
    """Return the values of the configurations that are typed already, and of runs."""
    from attncli.config.shipped import meant_file

    files = [run / "config.yaml" for run in _typed_runs(ctx)]
    files += [meant_file(path) for path in _typed(ctx, "config")[:1]]
    return [values for file in files if (values := _values_of(file))]


def _values_of(file: Path, *, depth: int = 0) -> dict[str, Any]:
    """Return the values of `file` and its bases as far as they can be read."""
    import yaml

    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            base = values.pop("base", None)
            below = _values_of(file.parent / base, depth=depth + 1) if isinstance(base, str) and depth < 9 else {}
            return _over(below, values)
    return {}


def _over(below: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in values.items():
        own = merged.get(key)
        merged[key] = _over(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
    return merged


@contextlib.contextmanager
def completing() -> Iterator[None]:
    """Mend what typer's completion, if it is asked for within, would do slowly or wrongly."""
    shell = os.environ.get(_COMPLETE, "")
    with contextlib.ExitStack() as mended:
        if shell:
            mended.enter_context(_without_rich())
        if shell == "complete_bash":
            mended.enter_context(_uncut_words())
        yield


@contextlib.contextmanager
def _without_rich() -> Iterator[None]:
    # typer draws explanations with it if it is there, which takes long to import and breaks their lines.
    loaded = sys.modules.get("rich")
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rich"]
        if loaded is not None:
            sys.modules["rich"] = loaded


@contextlib.contextmanager
def _uncut_words() -> Iterator[None]:
    """Let bash complete what is behind a = or a colon, where it cuts words, in what is run within."""
    words, at = _uncut(os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"]))
    os.environ |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(at)}
    typed = words[at] if at < len(words) else ""
    # Only what is behind the last break is replaced.
    kept = max((typed.rfind(character) for character in _BREAKS), default=-1) + 1
    stream, said = sys.stdout, io.StringIO()
    sys.stdout = said
    try:
        yield
    finally:
        sys.stdout = stream
        lines = (line[kept:].replace(" ", "\\ ") for line in said.getvalue().splitlines())
        stream.writelines(f"{line}\n" for line in lines)


def _uncut(words: list[str], at: int) -> tuple[list[str], int]:
    """Return `words` joined again where bash has cut them, and the place of the word that was at `at`."""
    joined: list[str] = []
    place = at
    for number, word in enumerate(words):
        is_break = bool(word) and set(word) <= set(_BREAKS)
        continues = number > 1 and joined and (is_break or (joined[-1] != "" and joined[-1][-1] in _BREAKS))
        if continues:
            joined[-1] += word
        else:
            joined.append(word)
        if number == at:
            place = len(joined) - 1
    return joined, place
