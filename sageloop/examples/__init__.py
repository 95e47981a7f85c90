"""Running the projects under ``examples/`` on a local cloud, and holding them to a figure."""
