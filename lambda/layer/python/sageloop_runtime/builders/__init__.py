"""Builders of the functions from the parts of the other packages."""
