"""Hooks of the documentation site: pages that live at the root of the repository, and equations without scripts."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_PAGES = {"CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, with links as they are seen from `docs/`."""
    for name, page in _PAGES.items():
        text = (_ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, its_page in _PAGES.items():
            text = text.replace(f"]({other})", f"]({its_page})")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Write the equations as MathML, which browsers draw themselves."""
    return _EQUATION.sub(_as_mathml, content)


def _as_mathml(equation: re.Match[str]) -> str:
    tag, text = equation.groups()
    mathml = convert(html.unescape(text), display="block" if tag == "div" else "inline")
    return f'<{tag} class="equation">{mathml}</{tag}>'
