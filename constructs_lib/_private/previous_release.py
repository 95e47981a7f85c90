"""Names of the previous release that deployed stacks still have."""

from __future__ import annotations

PREVIOUS_FOLDERS = {"endpoint_schedule": "cost_switch", "invoke_proxy": "ask_endpoint"}
"""Previous names of renamed folders, in descriptions of deployed security groups."""
