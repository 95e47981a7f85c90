"""The jobs of a loop: their documents, triggers, starts and ends."""
