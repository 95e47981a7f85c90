"""The kernel every local service stands on: front, clock, record, faults, processes."""
