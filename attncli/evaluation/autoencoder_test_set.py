"""Test sets of autoencoders, out of a configuration."""

from __future__ import annotations

from pathlib import Path

from attncli.config.autoencoding import AutoencodingConfig
from attncli.errors import CommandError, unknown


def test_set_name(config: AutoencodingConfig, name: str | None, *, where: str | Path) -> str:
    """Return `name` if `config` has such a test set, or its only one where `name` is None; `where` begins messages."""
    names = list(config.data.test)
    if not names:
        raise CommandError(f"{where}: the configuration names no test sets; add one under data.test")
    if name is None and len(names) > 1:
        raise CommandError(f"{where}: has {len(names)} test sets; choose one with --test: {', '.join(names)}")
    name = names[0] if name is None else name
    if name not in config.data.test:
        raise CommandError(f"{where}: {unknown('test set', name, names)}")
    return name
