"""Credentials in the scripts of notebooks' lifecycle configurations.

Prowler's check ``sagemaker_notebook_instance_no_secrets`` searches a deployed configuration; this
one searches templates for what has an unambiguous form: access key ids and private keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from tests.security.checks.flatten import Template, as_list, properties, resources

_TYPE = "AWS::SageMaker::NotebookInstanceLifecycleConfig"
_SECRETS = {
    "an access key id": re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
}


def findings(template: Template) -> list[str]:
    """Each kind of secret in each lifecycle configuration of a template."""
    return [
        f"{name} has {kind}"
        for name, resource in resources(template, _TYPE).items()
        for script in scripts(properties(resource))
        for kind, pattern in _SECRETS.items()
        if pattern.search(script)
    ]


def scripts(lifecycle: dict[str, Any]) -> Iterator[str]:
    """The scripts of a lifecycle configuration, also if its text is encoded already."""
    for event in ("OnCreate", "OnStart"):
        for hook in as_list(lifecycle.get(event)):
            content = str(hook["Content"])
            yield content
            try:
                yield base64.b64decode(content, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
