"""Event source mappings: queues whose messages invoke functions."""
