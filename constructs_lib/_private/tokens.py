"""Tokens of the CDK, recognized by their encoding: a call to CDK's process takes 0.2 ms.

CDK encodes a token as text ``${Token[...]}``, as a list with one item ``#{Token[...]}``, and as a
number whose highest 16 bits are 0xFBFF. See https://docs.aws.amazon.com/cdk/v2/guide/tokens.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from aws_cdk import CfnResource, Reference, Stack, Token, Tokenization

_LIST = "#{Token["
_IN_TEXT = re.compile(r"\$\{Token\[[a-zA-Z0-9:._-]+\]\}")
_NUMBERS = -1e289  # those with these highest bits lie between -1.95e289 and -1.88e289


def is_token(value: Any) -> bool:
    """Whether a value is a token, as ``Token.is_unresolved`` decides."""
    if isinstance(value, str):
        return _IN_TEXT.search(value) is not None
    if value is None or isinstance(value, int | dict):
        return False
    if isinstance(value, float):
        # NaN and infinity cannot be sent to jsii: they would end its process.
        return float("-inf") < value < _NUMBERS and Token.is_unresolved(value)
    if isinstance(value, list | tuple):
        return any(_LIST in item for item in value if isinstance(item, str)) and (
            Token.is_unresolved(value)
        )
    return Token.is_unresolved(value)


def references(text: str) -> dict[Any, Stack]:
    """The references in a text, each with the stack of its resource, without pseudo parameters."""
    listed = [_reference(token) for token in dict.fromkeys(_IN_TEXT.findall(text))]
    return dict(each for each in listed if each is not None)


# CDK gives each token a text of its own, which it keeps to the end of the process.
@lru_cache(maxsize=4096)
def _reference(text: str) -> tuple[Any, Stack] | None:
    token = Tokenization.reverse_string(text).first_token
    if not Reference.is_reference(token):
        return None
    target = token.target  # type: ignore[union-attr]
    return (token, Stack.of(target)) if isinstance(target, CfnResource) else None
