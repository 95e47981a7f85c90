"""Inference components: copies of several models' containers that share an endpoint's instances."""
