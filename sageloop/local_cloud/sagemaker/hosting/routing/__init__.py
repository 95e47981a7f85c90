"""The way of a request to an instance and back: choice, exchange, capture, metrics."""
