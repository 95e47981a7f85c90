"""AWS Lambda: functions run from their packages in separate processes."""
