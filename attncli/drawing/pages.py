"""Web pages that refer to nothing outside themselves, each from the template `page.html` of a package."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from attncli.errors import escaped


def rendered(package: str, **values: Any) -> str:
    """Return the page of `package`, which extends `drawing/page.html`, with `values`, escaped; none may be missing."""
    base = PrefixLoader({"drawing": PackageLoader("attncli.drawing", ".")})
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), base]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A browser obeys an override of the direction of text as a terminal does.
        finalize=lambda value: escaped(value) if type(value) is str else value,
    )
    return environment.get_template("page.html").render(**values)
