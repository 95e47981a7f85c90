"""Routing of requests to instances of production and shadow variants, and their metrics."""
