"""Decides each call before it is carried out, from the policies in the cloud's state."""
