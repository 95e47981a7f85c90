"""The supervisor processes, which end every process of a cloud."""
