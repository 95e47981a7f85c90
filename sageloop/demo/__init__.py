"""The demonstration: the project's own app, its whole loop, on real flights."""
