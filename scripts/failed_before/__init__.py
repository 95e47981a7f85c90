"""Runs tests of today against code of before they were written."""
