"""Which instance takes a request: production, shadow and streamed ones, and their metrics."""
