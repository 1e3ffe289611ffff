"""The metrics that `attncli eval` is asked for, ready to measure: those that take long show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from attncli.cli.terminal import tell

if TYPE_CHECKING:
    from attncli.cli.eval_options import EvaluationOptions
    from attncli.evaluation.test_set import EvaluationSet
    from attncli.metrics.metric import Metric


def chosen_metrics(
    keys: Sequence[str], data: EvaluationSet, options: EvaluationOptions, *, names: Sequence[str]
) -> dict[str, Metric]:
    """Return the metrics of `keys`, which will measure what `names` wrote, in that order.

    A UserError says which program, package or model one of them needs.
    """
    from attncli.metrics.registry import ALL_METRICS

    makers: dict[str, Callable[[], Metric]] = {
        "ter": lambda: _ter(names),
        "comet": lambda: _comet(data, options),
        "meteor": _meteor,
    }
    return {key: makers[key]() if key in makers else ALL_METRICS[key] for key in keys}


def _ter(names: Sequence[str]) -> Metric:
    from attncli.machine.progress import progress
    from attncli.metrics.ter import ter

    measured = iter(names)

    def watch(hypotheses: Sequence[str]) -> Iterator[str]:
        name = next(measured)
        tell(f"{name}: measuring TER of {len(hypotheses)} sentences, which takes minutes where words are reordered")
        with progress(len(hypotheses), "sentences", what=f"TER of {name}") as advance:
            for hypothesis in hypotheses:
                yield hypothesis
                advance(1)

    return ter(watch)


def _meteor() -> Metric:
    from attncli.metrics.meteor import METEOR, program_folder

    program_folder()
    return METEOR


def _comet(data: EvaluationSet, options: EvaluationOptions) -> Metric:
    from attncli.machine.device import resolve_device
    from attncli.machine.progress import shows_progress
    from attncli.metrics.comet import DEFAULT_MODEL, comet, package

    assert data.sources is not None, "refused before"
    package()
    device = resolve_device(options.device)
    gpu = (device.index or 0) if device.type == "cuda" else None
    model = options.comet_model or DEFAULT_MODEL
    tell(f"COMET: loading {model}")
    return comet(data.sources, model=model, gpu=gpu, shows_progress=shows_progress())
