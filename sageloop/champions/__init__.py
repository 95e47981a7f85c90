"""The champions of an endpoint: where they come from, when they served, and one of them again."""
