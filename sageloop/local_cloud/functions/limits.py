"""Quotas of Lambda that several of its parts go by."""

ACCOUNT_CONCURRENCY = 1000
"""Concurrent executions of an account in a region, until AWS raises it."""
