"""An endpoint: its serving document, model packages, configurations and invocations."""
