"""What runs inside the functions' processes; imports nothing of the cloud."""
