"""Service Quotas: the quotas of a new account."""
