"""A trained run: its configuration, tokenizers and weights, and what it says of new sentences."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from attncli.config.load import CONFIGS, Config
from attncli.config.search import Search
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.data.captioning import square
from attncli.decoding.captioner import Captioner
from attncli.decoding.search import Strategy
from attncli.decoding.translator import Inspection, TooLong, Translation, Translator
from attncli.decoding.written import WrittenHypothesis
from attncli.errors import CommandError, DataError
from attncli.machine.device import resolve_device
from attncli.models.autoencoder import Autoencoder, build_autoencoder
from attncli.models.build import build_captioning_model, build_translation_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.runs.folder import RunFolder
from attncli.runs.weights import put_weights
from attncli.sources.images.batch import stack_pictures
from attncli.text.tokenizer import Tokenizers

AnyModel = TypeVar("AnyModel", bound=nn.Module)
AnyConfig = TypeVar("AnyConfig", bound=Config)
_READERS, _BATCHES_AHEAD = 2, 3  # threads that read pictures, and how far
_ROWS = 1024  # of an autoencoder's input, computed together


def config_of(folder: Path, kind: type[AnyConfig]) -> AnyConfig:
    """Return the configuration of the run in `folder`, which should be of the task that `kind` configures.

    A RunError says what is wrong with the folder, a CommandError names another task.
    """
    run_folder = RunFolder(folder)
    run_folder.check()
    config = run_folder.config()
    if not isinstance(config, kind):
        wanted = next(task for task, section in CONFIGS.items() if section is kind)
        raise CommandError(f"{folder}: is a run of task {config.task}, but this command reads runs of task {wanted}")
    return config


def _with_weights(model: AnyModel, folder: Path, *, device: str, checkpoint: str) -> tuple[AnyModel, Mapping[str, Any]]:
    """Return `model` for evaluation on `device` with the weights of `checkpoint` in `folder`, and their facts."""
    run_folder = RunFolder(folder)
    put_weights(model, run_folder.load_weights(checkpoint), where=str(run_folder.checkpoint(checkpoint)))
    return model.to(resolve_device(device)).eval(), run_folder.checkpoint_facts(checkpoint)


class TrainedRun(Generic[AnyConfig, AnyModel]):
    """The folder of a run, its configuration, and its model with the weights of a checkpoint."""

    def __init__(self, folder: Path, config: AnyConfig, model: AnyModel, checkpoint: Mapping[str, Any]):
        self.folder, self.config, self.model = folder, config, model
        self.checkpoint = checkpoint  # its step, epoch and dev scores

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def step(self) -> int:
        """Updates behind the weights."""
        return int(self.checkpoint["step"])

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(parameter.numel() for parameter in self.model.parameters())


class WritingRun(TrainedRun[AnyConfig, EncoderDecoder]):
    """A trained run that writes tokens."""

    def __init__(
        self,
        folder: Path,
        config: AnyConfig,
        model: EncoderDecoder,
        checkpoint: Mapping[str, Any],
        tokenizers: Tokenizers,
    ):
        super().__init__(folder, config, model, checkpoint)
        self.tokenizers = tokenizers


def _writing_parts(
    folder: Path,
    kind: type[AnyConfig],
    build: Callable[[AnyConfig, Tokenizers], EncoderDecoder],
    *,
    device: str,
    checkpoint: str,
) -> tuple[AnyConfig, EncoderDecoder, Mapping[str, Any], Tokenizers]:
    """Return what a `WritingRun` is made of besides its folder; `build` makes its model."""
    config, tokenizers = config_of(folder, kind), Tokenizers.load(folder)
    model, facts = _with_weights(build(config, tokenizers), folder, device=device, checkpoint=checkpoint)
    return config, model, facts, tokenizers


class Run(WritingRun[TranslationConfig]):
    """A trained run, ready to translate."""

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", checkpoint: str = "best") -> Run:
        """Return the run in `folder` with the weights of `checkpoint`, or raise a RunError that says what is wrong."""
        parts = _writing_parts(folder, TranslationConfig, _translation_model, device=device, checkpoint=checkpoint)
        return cls(folder, *parts)

    def translate(
        self,
        sentences: Iterable[str],
        *,
        search: Search | None = None,
        n_best: int = 1,
        too_long: TooLong = "error",
        with_weights: bool = False,
        strategy: Strategy | None = None,
        replace_unknown: bool = False,
        first_line: int = 1,
    ) -> Iterator[Translation]:
        """Yield the translations of `sentences` in their order, by the run's own search settings unless given others.

        See `Translator.translate`.
        """
        return Translator(self.model, self.tokenizers).translate(
            sentences,
            settings=search or self.config.search,
            n_best=n_best,
            too_long=too_long,
            with_weights=with_weights,
            strategy=strategy,
            replace_unknown=replace_unknown,
            first_line=first_line,
        )

    def align(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Translation]:
        """Yield, for each source and its given target, that target as the one hypothesis, with its weights."""
        return Translator(self.model, self.tokenizers).align(pairs, settings=self.config.search)

    def inspect(self, pairs: Iterable[tuple[str, str | None]], *, search: Search | None = None) -> Iterator[Inspection]:
        """Yield where every layer and head looks, for each source and its given target or, for None, a found one."""
        return Translator(self.model, self.tokenizers).inspect(pairs, settings=search or self.config.search)


def _translation_model(config: TranslationConfig, tokenizers: Tokenizers) -> EncoderDecoder:
    sizes = {"source_vocabulary": tokenizers.source.size, "target_vocabulary": tokenizers.target.size}
    return build_translation_model(config.model, **sizes)


@dataclass(frozen=True)
class CaptionedFile:
    """A file with its captions, best first, or with what is wrong with it."""

    path: Path
    hypotheses: tuple[WrittenHypothesis, ...]  # empty where it is no picture
    problem: str | None


class CaptionRun(WritingRun[CaptioningConfig]):
    """A trained run, ready to write captions."""

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", checkpoint: str = "best") -> CaptionRun:
        """Return the run in `folder` with the weights of `checkpoint`, or raise a RunError that says what is wrong."""
        parts = _writing_parts(folder, CaptioningConfig, _captioning_model, device=device, checkpoint=checkpoint)
        return cls(folder, *parts)

    def caption(
        self, paths: Iterable[Path], *, search: Search | None = None, n_best: int = 1, with_weights: bool = False
    ) -> Iterator[CaptionedFile]:
        """Yield the captions of the files `paths` in their order; what is no picture is told, and the rest goes on."""
        settings = search or self.config.search
        captioner = Captioner.of(self.model, self.tokenizers.target, settings)
        read = partial(square, preprocessing=self.config.model.encoder.preprocessing)
        for answers in _batches_read(paths, read, settings.batch_size):
            squares = [answer for _, answer in answers if not isinstance(answer, DataError)]
            found = iter(captioner.caption(stack_pictures(squares), with_weights=with_weights) if squares else ())
            for path, answer in answers:
                if isinstance(answer, DataError):
                    yield CaptionedFile(path, (), str(answer))
                else:
                    yield CaptionedFile(path, tuple(next(found)[:n_best]), None)


def _captioning_model(config: CaptioningConfig, tokenizers: Tokenizers) -> EncoderDecoder:
    return build_captioning_model(config.model, vocabulary=tokenizers.target.size, pretrained=False)


def _batches_read(paths: Iterable[Path], read: Callable[[Path], Any], size: int) -> Iterator[list[tuple[Path, Any]]]:
    """Yield `paths` in batches, each with what `read` makes of it or the DataError it raises; two are read ahead."""

    def answer(path: Path) -> Any:
        try:
            return read(path)
        except DataError as error:
            return error

    remaining, waiting = iter(paths), deque[list[tuple[Path, Future[Any]]]]()
    with ThreadPoolExecutor(_READERS) as pool:
        while True:
            while len(waiting) < _BATCHES_AHEAD and (batch := list(islice(remaining, size))):
                waiting.append([(path, pool.submit(answer, path)) for path in batch])
            if not waiting:
                return
            yield [(path, future.result()) for path, future in waiting.popleft()]


class AutoencoderRun(TrainedRun[AutoencodingConfig, Autoencoder]):
    """A trained run, ready to encode, decode and reconstruct. What comes back is on the CPU."""

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", checkpoint: str = "best") -> AutoencoderRun:
        """Return the run in `folder` with the weights of `checkpoint`, or raise a RunError that says what is wrong."""
        config = config_of(folder, AutoencodingConfig)
        model, facts = _with_weights(build_autoencoder(config), folder, device=device, checkpoint=checkpoint)
        return cls(folder, config, model, facts)

    @torch.inference_mode()
    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes [N, K] of `rows` [N, D]."""
        return torch.cat([self.model.encode(part.to(self.model.device)).cpu() for part in _parts(rows)])

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Return what `codes` [N, K] stand for, [N, D]."""
        return torch.cat([self.model.decode(part.to(self.model.device)).cpu() for part in _parts(codes)])

    def reconstruct(self, rows: Tensor) -> Tensor:
        """Return the reconstructions [N, D] of `rows` [N, D]."""
        return self.decode(self.encode(rows))

    def decoder_columns(self) -> Tensor:
        """Return what each component of the code adds to a reconstruction, [D, K] float64, where that is linear."""
        assert self.config.model.is_linear
        origin, units = torch.zeros(1, self.config.model.bottleneck), torch.eye(self.config.model.bottleneck)
        return (self.decode(units) - self.decode(origin)).double().T


def _parts(rows: Tensor) -> Iterator[Tensor]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
