"""The task of captioning, as the training loop sees it: batches, a loss, and a validation by loss and captions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from attncli.config.tasks.captioning import CaptioningConfig
from attncli.data.cache import cache_folder
from attncli.data.caption_sources import CaptioningSources
from attncli.data.captioning import (
    CaptioningCorpora,
    bad_pictures,
    mirror,
    prepare_captioning,
    raise_bad_pictures,
    square,
    without_bad_pictures,
)
from attncli.decoding.captioner import Captioner
from attncli.files import counted
from attncli.losses import SummedLoss
from attncli.metrics.registry import CAPTION_METRICS
from attncli.models.build import build_captioning_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.sources.images.batch import Features, stack_pictures
from attncli.sources.images.encoder import PictureEncoder
from attncli.sources.images.features import FeatureStore
from attncli.tasks.objectives import build_objective
from attncli.tasks.starting_point import starting_point
from attncli.text.tokenizer import Tokenizers

# Metrics of every validation; others are measured where they choose.
_MEASURED = ("bleu", "bleu_4", "cider")
# Keys of an encoder that do not change the features of its fixed network.
_OF_NO_FEATURES = {"memory_size", "weights", "learning_rate_factor", "normalises", "positions", "maximum_length"}
_ENCODED_TOGETHER = 32


class CaptioningTask:
    """A model, the captioned pictures it learns from and is validated on, and what is minimised."""

    def __init__(self, config: CaptioningConfig, sources: CaptioningSources, model: EncoderDecoder):
        self.config, self.sources, self.model = config, sources, model
        self.objective = build_objective(sources)

    @property
    def corpora(self) -> CaptioningCorpora:
        """The corpora without what reads them."""
        return self.sources.corpora

    @property
    def unit(self) -> str:
        """What the size of a batch counts."""
        return self.objective.unit

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data."""
        return self.sources.notes

    @property
    def examples(self) -> str:
        """How many captions or pictures are trained on."""
        return self.objective.examples

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The signatures of what validation measures."""
        references = self.corpora.dev.references[:1]
        texts = [text or "" for text in references[0]]
        return {"signatures": {key: CAPTION_METRICS[key].measure(texts, references).signature for key in _MEASURED}}

    def save(self, folder: Path) -> None:
        """Put the tokenizer into `folder`, if there is none."""
        if not (folder / "tokenizer.json").exists():
            self.corpora.tokenizers.save(folder)

    def epoch(self, number: int) -> Sequence[Any]:
        """Return the batches of epoch `number`, which the seed and the number alone decide."""
        return self.objective.epoch(number)

    def largest_batch(self) -> tuple[Any, str]:
        """Return the batch that takes most memory, and what it holds in words."""
        return self.objective.largest_batch()

    def loss(self, batch: Any) -> SummedLoss:
        """Return the loss of `batch`."""
        return self.objective.loss(self.model, batch)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Return the mean loss a term of the dev set, and scores of what the model writes for its pictures."""
        total, terms = 0.0, 0
        for loss in self.objective.dev_losses(self.model):
            total, terms = total + float(loss.reported), terms + loss.terms
        return {"loss": total / terms, **self._scores()}

    def _scores(self) -> dict[str, float]:
        validation, dev = self.config.training.validation, self.corpora.dev
        precision = "bf16" if self.config.training.precision == "bf16" else "fp32"
        settings = self.config.search.model_copy(update={"beam_size": validation.beam_size, "precision": precision})
        count = min(len(dev.pictures), validation.sentences or len(dev.pictures))
        # One caption each, which stands for its picture.
        first = dev.first_captions[:count]
        reader = self.sources.reader("dev")
        captioner = Captioner.of(self.model, self.corpora.tokenizers.target, settings)
        texts: list[str] = []
        for start in range(0, count, settings.batch_size):
            source = reader.start(first[start : start + settings.batch_size])()
            texts += [found[0].text for found in captioner.caption(source)]
        references = [stream[:count] for stream in dev.references]
        kept = [stream for stream in references if any(text is not None for text in stream)]
        return {key: CAPTION_METRICS[key].measure(texts, kept).score() for key in _MEASURED}


def open_captioning(config: CaptioningConfig, device: torch.device, run: Path | None) -> CaptioningTask:
    """Return the task of `config`, with the tokenizer of `run` where it has one.

    Where the configuration starts from another run, weights are that run's, and the tokenizer too where `run` has none;
    a `run` that has saved its own goes on from those, and needs the other no more.
    """
    start = starting_point(config, run)
    known = start.folder if start is not None else None
    if run is not None and (run / "tokenizer.json").exists():
        known = run
    corpora = prepare_captioning(config, None if known is None else Tokenizers.load(known))
    torch.manual_seed(config.training.seed)
    vocabulary = corpora.tokenizers.target.size
    model = build_captioning_model(config.model, vocabulary=vocabulary, pretrained=start is None)
    if start is not None:
        start.put_weights(model)
    model.to(device)
    return CaptioningTask(config, _readable(config, corpora, model), model)


def _readable(config: CaptioningConfig, corpora: CaptioningCorpora, model: EncoderDecoder) -> CaptioningSources:
    """Return what reads the pictures of `corpora`, from which those that are bad are left out or told."""
    preprocessing, tokenizer = config.model.encoder.preprocessing, corpora.tokenizers.target
    encoder = model.encoder
    assert isinstance(encoder, PictureEncoder)
    store = feature_store(config, encoder) if config.model.is_frozen else None
    read = partial(square, preprocessing=preprocessing)
    splits, notes = {}, list(corpora.notes)
    for key, corpus in (("train", corpora.train), ("dev", corpora.dev)):
        unknown = corpus.paths if store is None else store.missing(corpus.paths)
        bad = bad_pictures(unknown, read, workers=config.training.workers)
        if key == "dev" or config.data.bad_pictures == "error":
            raise_bad_pictures(bad, "mend these, or leave training pictures out with data.bad_pictures: skip")
        elif bad:
            notes.append(f"{key}: left out {counted(len(bad), 'bad picture')}, such as {next(iter(bad.values()))}")
        splits[key] = without_bad_pictures(corpus, set(bad), tokenizer)
    kept = CaptioningCorpora(corpora.tokenizers, splits["train"], splits["dev"], corpora.notes)
    features, mirrored = {}, None
    if store is not None:
        compute = partial(encode_pictures, encoder, read)
        features = {
            key: store.features(corpus.paths, compute, batch=_ENCODED_TOGETHER) for key, corpus in splits.items()
        }
        if config.training.augmentation.flip:
            compute = partial(encode_pictures, encoder, lambda path: mirror(read(path)))
            store = feature_store(config, encoder, mirrored=True)
            mirrored = store.features(splits["train"].paths, compute, batch=_ENCODED_TOGETHER)
    return CaptioningSources(config, kept, features, mirrored, tuple(notes))


def feature_store(config: CaptioningConfig, encoder: PictureEncoder, *, mirrored: bool = False) -> FeatureStore:
    """Return where the features of the fixed network of `encoder` are kept, of pictures as they are or `mirrored`."""
    total = hashlib.sha256()
    for name, tensor in encoder.backbone.state_dict().items():
        total.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    encoder_facts = config.model.encoder.model_dump(exclude=_OF_NO_FEATURES)
    facts: dict[str, Any] = {"weights": total.hexdigest(), "encoder": encoder_facts}
    if mirrored:
        facts["mirrored"] = True
    return FeatureStore(cache_folder(config.data.cache) / "features", facts)


@torch.inference_mode()
def encode_pictures(encoder: PictureEncoder, read: Callable[[Path], Any], paths: Sequence[Path]) -> Features:
    """Return the features of the files `paths`, each read to a square [size, size, 3]."""
    device = next(encoder.parameters()).device
    mode = encoder.backbone.training
    encoder.backbone.eval()
    pictures = stack_pictures([read(path) for path in paths])
    found: Features = encoder.backbone(pictures.to(device))
    encoder.backbone.train(mode)
    return found
