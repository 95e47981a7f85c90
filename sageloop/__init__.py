"""What runs beside the constructs: the command line and the local cloud."""

__version__ = "0.1.0"
