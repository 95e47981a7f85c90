"""The demo: the project's app and its whole loop on real flights."""
