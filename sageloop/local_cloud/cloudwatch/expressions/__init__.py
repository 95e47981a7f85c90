"""Metric math: parser and evaluation of expressions over time series."""
