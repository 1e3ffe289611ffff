"""A trained run that writes text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attncli.assembly.model import build_model
from attncli.config.conflicts import most_tokens
from attncli.config.ctc import SHARE
from attncli.config.search import Search
from attncli.config.writing import WritingConfig
from attncli.data.columns import Reader
from attncli.data.packs import EnsembleReader
from attncli.decoding.writer import Writer
from attncli.errors import CommandError, escaped
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.ensemble import Ensemble
from attncli.runs.ensembles import check_ensemble
from attncli.runs.facts import CheckpointFacts
from attncli.runs.run import TrainedRun, config_of, with_weights
from attncli.runs.shortlists import read_shortlist
from attncli.sources.kinds import kind_of
from attncli.sources.source import Drawer, Locator, Shared, SourceKind
from attncli.text.shortlist import Shortlist, joined
from attncli.text.tokenizer import Tokenizers


class WritingRun(TrainedRun[WritingConfig, EncoderDecoder]):
    """A trained run, ready to write for sources of its kind, alone or with the probabilities of others averaged in."""

    def __init__(
        self,
        folder: Path,
        config: WritingConfig,
        model: EncoderDecoder,
        checkpoint: CheckpointFacts,
        tokenizers: Tokenizers,
        others: Sequence[WritingRun] = (),
    ):
        super().__init__(folder, config, model, checkpoint)
        self.tokenizers, self.others = tokenizers, tuple(others)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        config: WritingConfig | None = None,
        device: str = "auto",
        checkpoint: str = "best",
        ensemble: Sequence[Path] = (),
    ) -> WritingRun:
        """Return the run in `folder` with the weights of `checkpoint`, and those of `ensemble` beside it.

        `config` is that of the run, where it has been read before. Raises a RunError that says what is wrong with a
        folder, and a CommandError for runs that are no ensemble.
        """
        if ensemble:
            check_ensemble(folder, ensemble)
        others = [cls.load(other, device=device, checkpoint=checkpoint) for other in ensemble]
        config, tokenizers = config or config_of(folder, WritingConfig), Tokenizers.load(folder)
        source, target = tokenizers.source.size, tokenizers.target.size
        loaded, facts = with_weights(
            lambda: build_model(config, source_vocabulary=source, target_vocabulary=target),
            folder,
            device=device,
            checkpoint=checkpoint,
        )
        return cls(folder, config, loaded, facts, tokenizers, others)

    @property
    def kind(self) -> SourceKind[Any]:
        """The kind of source that is read."""
        return kind_of(self.config.model.source)

    @property
    def noun(self) -> str:
        """What one source is called."""
        noun: str = self.config.model.source.noun
        return noun

    @property
    def attends(self) -> bool:
        """Whether the decoder attends to the source, so that there are weights."""
        return self.config.model.attention != "none"

    def writer(self, search: Search | None = None) -> Writer[Any]:
        """Return a writer for sources, with the run's own search settings unless others are given.

        Raises a CommandError if `search` asks for longer targets than a decoder has learned positions, or for CTC or a
        shortlist that the model does not have.
        """
        search = search or self.config.search
        if search.ctc_weight and self.config.model.ctc is None:
            raise CommandError(
                f"--ctc-weight {search.ctc_weight:g}: is {SHARE}, but {escaped(str(self.folder))} has none "
                "(model.ctc); leave it out"
            )
        shortlist = self._shortlist(search)
        # One search for all, so that their readers agree on which sources are too long.
        readers = [run._reader(search) for run in (self, *self.others)]
        if not self.others:
            return Writer(self.model, readers[0], self.tokenizers.target, search, shortlist)
        ensemble = Ensemble([self.model, *(run.model for run in self.others)])
        return Writer(ensemble, EnsembleReader(readers), self.tokenizers.target, search, shortlist)

    def _shortlist(self, search: Search) -> Shortlist | None:
        """Return what `search` lists of any run's shortlist; None if it does not limit what is written."""
        if not search.shortlist:
            return None
        if not self.config.writes_text_for_text:
            raise CommandError(f"--shortlist {search.shortlist}: {self.config.without_shortlist}; leave it out")
        if self.model.ctc_weight if search.ctc_weight is None else search.ctc_weight:
            raise CommandError(
                f"--shortlist {search.shortlist}: CTC scores every token; leave it out, or add --ctc-weight 0"
            )
        runs = (self, *self.others)
        return joined([read_shortlist(run.folder, run.tokenizers).first(search.shortlist) for run in runs])

    def _reader(self, search: Search) -> Reader[Any]:
        most = most_tokens(self.config.model.decoder)
        if most is not None and search.max_length > most:
            raise CommandError(
                f"--max-length {search.max_length}: the decoder of {escaped(str(self.folder))} has learned positions "
                f"for {most} tokens (model.decoder.maximum_length); give at most {most}"
            )
        return self.kind.reader(self.config.model.source, Shared(self.config, self.tokenizers, search=search))

    def drawer(self) -> Drawer:
        """Return the drawer of this kind of source, which shows where the model looks."""
        return self.kind.drawer(self.config.model.source)

    def locator(self) -> Locator | None:
        """Return what finds gold places in this kind of source, if anything does."""
        return self.kind.locator(self.config.model.source)
