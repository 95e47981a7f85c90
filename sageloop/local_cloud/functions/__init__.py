"""Lambda: functions run from their packages, in processes of their own."""
