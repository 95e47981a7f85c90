"""Event delivery: EventBridge buses and rules, Scheduler, SNS subscriptions, S3 notifications."""
