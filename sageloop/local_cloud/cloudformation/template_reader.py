"""Reads the text of a template: JSON, or YAML as CloudFormation reads it.

Keys are text as it was written, also ``123456789012``, ``On`` and ``1``. Numbers
keep their text. Of YAML 1.1, CloudFormation does not support the tags for binary data, ordered
maps, pairs, sets and dates, aliases and merged maps
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import yaml  # type: ignore[import-untyped]

from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.scalars import WrittenFloat, WrittenInt
from sageloop.local_cloud.core.errors import AwsError

# A limit of the local cloud: AWS documents none.
MAX_DEPTH = 100
_TAG = "tag:yaml.org,2002:"
_SCALARS = ("null", "bool", "int", "float", "str")


def read_template(text: str) -> Any:
    """The document of a template's text.

    Raises:
        AwsError: ``ValidationError`` if it is neither JSON nor YAML, or nested too deep.

    """
    body = _parsed(text)
    _check_depth(body)
    return body


def _parsed(text: str) -> Any:
    try:
        if text.lstrip().startswith("{"):
            return json.loads(
                text, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
            )
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - constructs maps, lists and scalars
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise invalid(
            f"Template format error: JSON not well-formed. (line {error.lineno}, "
            f"column {error.colno})"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"Template format error: YAML not well-formed.{where}") from None


def _integer(written: str) -> WrittenInt:
    try:
        return WrittenInt(int(written), written)
    except ValueError:  # Python converts no more than some thousand digits
        raise invalid(
            f"Template format error: a number has {len(written)} digits, more than can be read"
        ) from None


def _decimal(written: str) -> WrittenFloat:
    return WrittenFloat(float(written), written)


def _constant(written: str) -> Any:
    raise invalid(f"Template format error: JSON not well-formed. ({written} is not a JSON value)")


def _check_depth(body: Any) -> None:
    # Iterative: the depth of the call stack must not depend on the template.
    level = [body]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _in(value)]
        if not level:
            return
    raise _too_deep()


def _in(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _too_deep() -> AwsError:
    return invalid(f"Template format error: the template is nested deeper than {MAX_DEPTH} levels")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as CloudFormation parses it: short function tags, text keys, no aliases or dates."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {
        first: [(tag, form) for tag, form in known if tag.removeprefix(_TAG) in _SCALARS]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    # The constructors of the other tags are left out: such a node is not well-formed.
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        None: yaml.SafeLoader.construct_undefined,
        **{
            f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"]
            for kind in ("null", "bool", "str", "seq")
        },
    }
    yaml_multi_constructors: ClassVar[dict[Any, Any]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node of the document; an alias is refused before it is expanded."""
        if self.check_event(yaml.events.AliasEvent):
            raise invalid(
                "Template error: YAML aliases are not allowed in CloudFormation templates"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """A map whose keys are the text of their nodes."""
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a map was expected", node.start_mark
            )
        return {self._key(key): self.construct_object(value, deep) for key, value in node.value}

    def _key(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be text", node.start_mark
            )
        return str(node.value)


def _map(loader: _Loader, node: Any) -> Any:
    made: dict[str, Any] = {}
    yield made
    made.update(loader.construct_mapping(node))


def _yaml_integer(loader: _Loader, node: Any) -> Any:
    written = loader.construct_scalar(node)
    if not written.lstrip("+-").isdigit() or written.lstrip("+-").startswith("0"):
        # Octal, hexadecimal, binary, sexagesimal and grouped numbers of YAML 1.1: their value.
        return loader.construct_yaml_int(node)
    return _integer(written)


def _yaml_decimal(loader: _Loader, node: Any) -> Any:
    written = loader.construct_scalar(node)
    value = loader.construct_yaml_float(node)
    plain = all(character in "+-.0123456789eE" for character in written)
    return WrittenFloat(value, written) if plain else value


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_constructor(f"{_TAG}map", _map)
_Loader.add_constructor(f"{_TAG}int", _yaml_integer)
_Loader.add_constructor(f"{_TAG}float", _yaml_decimal)
_Loader.add_multi_constructor("!", _short_form)
