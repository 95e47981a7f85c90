"""Requests to a model and their responses: HTTP exchange and data capture."""
