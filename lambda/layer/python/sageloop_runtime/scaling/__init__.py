"""The capacity of an endpoint: scalable targets, their policies, stop and start."""
