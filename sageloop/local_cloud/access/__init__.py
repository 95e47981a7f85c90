"""Who may call the local cloud: its keys, signatures, callers and the admission of requests."""
