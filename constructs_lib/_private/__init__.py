"""Helpers of the constructs; nothing here is part of the API."""
