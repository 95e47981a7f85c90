"""Runs the projects under ``examples/`` in a local cloud and checks their metrics."""
