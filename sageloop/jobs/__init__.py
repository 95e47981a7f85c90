"""Starts jobs manually and watches them, on AWS and in the local cloud."""
