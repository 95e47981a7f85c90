"""Checks of CSV data before a training job costs money."""
