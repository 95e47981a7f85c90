"""Commands that make and check what the project generates."""
