"""Clients of AWS services, and what every function does with them."""
