"""The quality of the served model, from captured data and ground truth."""
