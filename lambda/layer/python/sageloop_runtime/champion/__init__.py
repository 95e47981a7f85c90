"""The champion of an endpoint: its record, its rollout and manual requests."""
