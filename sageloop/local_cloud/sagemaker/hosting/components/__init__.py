"""Inference components: copies of model containers that share the instances of an endpoint."""
