"""CloudWatch: metrics, alarms with their actions, anomaly detectors and dashboards."""
