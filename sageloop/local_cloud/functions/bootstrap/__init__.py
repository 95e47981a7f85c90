"""Programs that run in the functions' processes; they import nothing of the cloud."""
