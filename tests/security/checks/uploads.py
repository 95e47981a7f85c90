"""S3 uploads in Python code, and the condition keys of their headers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ENCRYPTION = "s3:x-amz-server-side-encryption"
KEY_ID = f"{ENCRYPTION}-aws-kms-key-id"
CUSTOMER_KEY = f"{ENCRYPTION}-customer-algorithm"
HEADERS = {
    "ServerSideEncryption": ENCRYPTION,
    "SSEKMSKeyId": KEY_ID,
    "SSECustomerAlgorithm": CUSTOMER_KEY,
}
"""Condition keys by the arguments of boto3 that become the headers."""
_UPLOADS = frozenset(
    ("put_object", "upload_file", "upload_fileobj", "copy_object", "create_multipart_upload")
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One call in a source: its line, and the values of its encryption arguments as source."""

    line: int
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


def uploads(source: str) -> Iterator[Upload]:
    """Every upload to S3 in a program.

    Raises:
        ValueError: If a call passes a mapping, whose headers are not known from the source.

    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in _UPLOADS:
            continue
        named = {each.arg: each.value for each in node.keywords}
        if None in named or "ExtraArgs" in named:
            raise ValueError(f"line {node.lineno}: {node.func.attr} passes a mapping")
        headers = {
            key: ast.unparse(named[argument])
            for argument, key in HEADERS.items()
            if argument in named
        }
        object_key = named.get("Key")
        literal = isinstance(object_key, ast.Constant) and isinstance(object_key.value, str)
        yield Upload(node.lineno, headers, str(object_key.value) if literal else None)
