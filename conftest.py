"""Settings every test needs before the first import of aws_cdk."""

from __future__ import annotations

import os

# The template engine costs ten seconds a process; one slow test switches it on again.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")
