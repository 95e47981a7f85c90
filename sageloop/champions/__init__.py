"""Champions of an endpoint: their lineage, their times of service, and manual rollbacks."""
