"""Private helpers of the constructs; not part of the API."""
