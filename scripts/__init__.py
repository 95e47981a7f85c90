"""Commands that generate and check parts of the project."""
