"""Instances of a variant: container processes, fleets of them, and the model data they use."""
