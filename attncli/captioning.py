"""The task of captioning, as the training loop sees it: batches, a loss, and a validation by loss and captions."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attncli.captioner import Captioner
from attncli.config.captioning import CaptioningConfig
from attncli.data.batches import epoch_batches
from attncli.data.cache import cache_folder
from attncli.data.captioning import (
    CaptionBatch,
    CaptionBatches,
    CaptionCorpus,
    CaptioningCorpora,
    FeatureReader,
    PixelReader,
    Reader,
    bad_pictures,
    prepare_captioning,
    raise_bad_pictures,
    square,
    varied_square,
    without_bad_pictures,
)
from attncli.data.features import FeatureStore, StoredFeatures
from attncli.data.picture_batch import Features, stack_pictures
from attncli.losses import SummedLoss
from attncli.metrics.registry import CAPTION_METRICS
from attncli.models.build import build_captioning_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.pictures import PictureEncoder
from attncli.text.files import counted
from attncli.text.tokenizer import Tokenizers

# Metrics of every validation; others are measured where they choose.
_MEASURED = ("bleu", "bleu_4", "cider")
_AHEAD = 4  # batches whose pictures are read while one is worked on
_ENCODED_TOGETHER = 32


@dataclass(frozen=True)
class CaptioningSources:
    """The corpora with what reads their pictures."""

    corpora: CaptioningCorpora
    features: dict[str, StoredFeatures]  # of the splits' pictures, where the encoder is fixed
    notes: tuple[str, ...]


class CaptioningTask:
    """A model, the captioned pictures it learns from and is validated on, and what is minimised."""

    unit = "tokens"

    def __init__(self, config: CaptioningConfig, sources: CaptioningSources, model: EncoderDecoder):
        self.config, self.sources, self.model = config, sources, model
        workers = config.training.workers
        self._pool = ThreadPoolExecutor(workers) if workers and not sources.features else None

    @property
    def corpora(self) -> CaptioningCorpora:
        """The corpora without what reads them."""
        return self.sources.corpora

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data."""
        return self.sources.notes

    @property
    def examples(self) -> str:
        """How many captions are trained on."""
        return f"{len(self.corpora.train):,} training captions"

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

    def epoch(self, number: int) -> CaptionBatches:
        """Return the batches of epoch `number`, which the seed and the number alone decide."""
        training = self.config.training
        read = partial(self._varied, number)
        return self._batches("train", self.corpora.train, training.batch_sentences, epoch=number, read=read)

    def _varied(self, epoch: int, path: Path, caption: int) -> Any:
        training = self.config.training
        seed = (training.seed, epoch, caption)
        return varied_square(path, self.config.model.encoder.preprocessing, training.augmentation, seed)

    def _plain(self, path: Path, caption: int) -> Any:
        return square(path, self.config.model.encoder.preprocessing)

    def _batches(self, split: str, corpus: CaptionCorpus, most: int | None, *, epoch: int, read: Any) -> CaptionBatches:
        training = self.config.training
        rows = epoch_batches(
            corpus,
            batch_tokens=training.batch_tokens,
            batch_sentences=most,
            seed=training.seed,
            epoch=epoch,
        )
        ahead = _AHEAD if self._pool else 0
        return CaptionBatches(corpus, rows, self._reader(split, corpus, read), ahead=ahead)

    def _reader(self, split: str, corpus: CaptionCorpus, read: Any) -> Reader:
        if split in self.sources.features:
            return FeatureReader(corpus, self.sources.features[split])
        return PixelReader(corpus, read, self._pool)

    def largest_batch(self) -> tuple[CaptionBatch, str]:
        """Return the batch with most positions, padding included, and what it holds in words."""
        batches = self.epoch(1)
        lengths = self.corpora.train.target_lengths
        sizes = [len(rows) * int(lengths[rows].max()) for rows in batches.rows]
        largest = batches[int(np.argmax(sizes))]
        return largest, f"{counted(len(largest.target.ids), 'caption')}, {largest.size} tokens"

    def loss(self, batch: CaptionBatch) -> SummedLoss:
        """Return the loss of `batch`."""
        return self.model.loss(batch.source, batch.target, label_smoothing=self.config.training.label_smoothing)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Return the mean loss a token, in nats, and scores of what the model writes for the dev pictures."""
        total, tokens, device = 0.0, 0, self.model.device
        most = self.config.training.batch_sentences
        for batch in self._batches("dev", self.corpora.dev, most, epoch=0, read=self._plain):
            moved = batch.to(device)
            loss = self.model.loss(moved.source, moved.target, label_smoothing=0.0)
            total, tokens = total + float(loss.reported), tokens + loss.terms
        return {"loss": total / tokens, **self._scores()}

    def _scores(self) -> dict[str, float]:
        validation, dev = self.config.training.validation, self.corpora.dev
        precision = "bf16" if self.config.training.precision == "bf16" else "fp32"
        settings = self.config.search.model_copy(update={"beam_size": validation.beam_size, "precision": precision})
        count = min(len(dev.pictures), validation.sentences or len(dev.pictures))
        # One caption each, which stands for its picture.
        first = np.searchsorted(dev.picture_of, np.arange(count))
        reader = self._reader("dev", dev, self._plain)
        captioner = Captioner.of(self.model, self.corpora.tokenizers.target, settings)
        texts: list[str] = []
        for start in range(0, count, settings.batch_size):
            source = reader.start(first[start : start + settings.batch_size])()
            texts += [found[0].text for found in captioner.caption(source)]
        references = [stream[:count] for stream in dev.references]
        kept = [stream for stream in references if any(text is not None for text in stream)]
        return {key: CAPTION_METRICS[key].measure(texts, kept).score() for key in _MEASURED}


def open_captioning(config: CaptioningConfig, device: torch.device, run: Path | None) -> CaptioningTask:
    """Return the task of `config`, with the tokenizer of `run` where it has one."""
    has_tokenizer = run is not None and (run / "tokenizer.json").exists()
    corpora = prepare_captioning(config, Tokenizers.load(run) if run is not None and has_tokenizer else None)
    torch.manual_seed(config.training.seed)
    model = build_captioning_model(config.model, vocabulary=corpora.tokenizers.target.size, pretrained=True)
    model.to(device)
    return CaptioningTask(config, _readable(config, corpora, model), model)


def _readable(config: CaptioningConfig, corpora: CaptioningCorpora, model: EncoderDecoder) -> CaptioningSources:
    """Return what reads the pictures of `corpora`, from which those that are bad are left out or told."""
    preprocessing, tokenizer = config.model.encoder.preprocessing, corpora.tokenizers.target
    encoder = model.encoder
    assert isinstance(encoder, PictureEncoder)
    store = feature_store(config, encoder) if config.model.is_frozen else None
    splits, notes = {}, list(corpora.notes)
    for key, corpus in (("train", corpora.train), ("dev", corpora.dev)):
        unknown = corpus.paths if store is None else store.missing(corpus.paths)
        bad = bad_pictures(unknown, partial(square, preprocessing=preprocessing), workers=config.training.workers)
        if key == "dev" or config.data.bad_pictures == "error":
            raise_bad_pictures(bad, "mend these, or leave training pictures out with data.bad_pictures: skip")
        elif bad:
            notes.append(f"{key}: left out {counted(len(bad), 'bad picture')}, such as {next(iter(bad.values()))}")
        splits[key] = without_bad_pictures(corpus, set(bad), tokenizer)
    kept = CaptioningCorpora(corpora.tokenizers, splits["train"], splits["dev"], corpora.notes)
    features = {}
    if store is not None:
        compute = partial(encode_pictures, encoder, preprocessing)
        features = {
            key: store.features(corpus.paths, compute, batch=_ENCODED_TOGETHER) for key, corpus in splits.items()
        }
    return CaptioningSources(kept, features, tuple(notes))


def feature_store(config: CaptioningConfig, encoder: PictureEncoder) -> FeatureStore:
    """Return where the features of the fixed network of `encoder` are kept."""
    total = hashlib.sha256()
    for name, tensor in encoder.backbone.state_dict().items():
        total.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    facts = config.model.encoder.model_dump(exclude={"memory_size", "weights", "learning_rate_factor"})
    folder = cache_folder(config.data.cache) / "features"
    return FeatureStore(folder, {"weights": total.hexdigest(), "encoder": facts})


@torch.inference_mode()
def encode_pictures(encoder: PictureEncoder, preprocessing: Any, paths: Any) -> Features:
    """Return the features of the files `paths`."""
    device = next(encoder.parameters()).device
    mode = encoder.backbone.training
    encoder.backbone.eval()
    pictures = stack_pictures([square(path, preprocessing) for path in paths])
    found: Features = encoder.backbone(pictures.to(device))
    encoder.backbone.train(mode)
    return found
