"""Event delivery: EventBridge buses and rules, Scheduler, SNS to targets, S3 notifications."""
