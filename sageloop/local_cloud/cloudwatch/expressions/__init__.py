"""Metric math: expressions over time series, parsed and computed."""
