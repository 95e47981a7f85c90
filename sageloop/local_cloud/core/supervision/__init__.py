"""The processes that make sure that no other process survives the cloud."""
