"""YAML by the core schema of version 1.2. PyYAML follows 1.1, where `no` is false, 1e-3 is text and 010 is 8."""

from __future__ import annotations

import re
from typing import Any

import yaml

from attncli.errors import ConfigError, escaped, shortened

# A configuration may come from a stranger: these keep it from taking minutes, or from filling the memory or the stack.
LARGEST = 1 << 18  # bytes, which PyYAML reads in seconds
DEEPEST = 50
_MOST_VALUES = 100_000  # each counted as often as aliases repeat it
_LONGEST_NUMBER = 100

_CORE = "tag:yaml.org,2002:"
_PATTERNS = {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "null": r"~|null|Null|NULL|",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
_FIRST_CHARACTERS = {"bool": "tTfF", "null": ["~", "n", "N", ""], "int": "-+0123456789", "float": "-+.0123456789"}


class _CoreLoader(yaml.SafeLoader):
    """Makes nodes alone: PyYAML's constructors raise errors of every kind for text that is not what a tag says."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong(f"nested more than {DEEPEST} levels deep", parent.start_mark if parent else None)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern in _PATTERNS.items():
    _CoreLoader.add_implicit_resolver(_CORE + _name, re.compile(f"^(?:{_pattern})$"), list(_FIRST_CHARACTERS[_name]))


class _Values:
    """Makes values of nodes."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, node: yaml.Node, above: tuple[yaml.Node, ...] = ()) -> Any:
        """Return the value of `node`, which is inside of the nodes `above`."""
        self._count += 1
        if self._count > _MOST_VALUES:
            raise _wrong(
                f"more than {_MOST_VALUES:,} values, aliases counted as often as they are used", node.start_mark
            )
        if node in above:
            raise _wrong("the alias is inside of what it stands for", node.start_mark)
        tag, inside = node.tag.removeprefix(_CORE), (*above, node)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return self._mapping(node, inside)
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self.of(item, inside) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and tag in (*_PATTERNS, "str"):
            return _scalar(node, tag)
        raise _wrong(
            f"{shortened(node.tag.replace(_CORE, '!!'))!r} is not the tag of such a value; remove it", node.start_mark
        )

    def _mapping(self, node: yaml.MappingNode, inside: tuple[yaml.Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _wrong("a key must be text", key_node.start_mark)
            # As it is written, so that a test set may be called 2016 or no.
            key = _text(key_node)
            if key in found:
                raise _wrong(f"the key {shortened(key)!r} is there twice; keep one", key_node.start_mark)
            found[key] = self.of(value_node, inside)
        return found


def _scalar(node: yaml.ScalarNode, tag: str) -> Any:
    text: str = node.value
    if tag == "str":
        return _text(node)
    # `!!float 3` is a float, though 3 alone is an integer.
    if not any(re.fullmatch(_PATTERNS[name], text) for name in ((tag, "int") if tag == "float" else (tag,))):
        raise _wrong(f"{shortened(text)!r} is not a value of the tag !!{tag}", node.start_mark)
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if len(text) > _LONGEST_NUMBER:
        raise _wrong(f"a number of {len(text):,} characters; at most {_LONGEST_NUMBER}", node.start_mark)
    if tag == "int":
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _text(node: yaml.ScalarNode) -> str:
    text: str = node.value
    try:
        # By JSON's escapes a character beyond U+FFFF is two halves, which YAML leaves apart.
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _wrong("half of a surrogate pair, which is not a character", node.start_mark) from None


def _wrong(what: str, mark: yaml.Mark | None) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def parse_yaml(text: str, *, where: str) -> Any:
    """Return what `text` says; keys are text as it is written. `where` begins the message of a ConfigError."""
    if len(text) > LARGEST:
        raise ConfigError([f"{where}: over {LARGEST >> 10} KiB, so not a configuration"])
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
        return None if node is None else _Values().of(node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError([f"{where}{line}: {escaped(what)}"]) from None
    # PyYAML's scanner lets Python's errors through, such as that of chr() for the escape "\\UFFFFFFFF".
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError([f"{where}: not YAML: {' '.join(str(error).split())}"]) from None
