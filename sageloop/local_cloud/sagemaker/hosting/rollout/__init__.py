"""How an update of an endpoint is carried out: its plan, its steps, its waits for alarms."""
