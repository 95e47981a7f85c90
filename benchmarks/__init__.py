"""The performance figures: each beside its yardstick, measured in the same run."""
