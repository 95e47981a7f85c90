"""Quotas of Lambda."""

ACCOUNT_CONCURRENCY = 1000
"""Concurrent executions of an account in a region, until AWS raises it."""
