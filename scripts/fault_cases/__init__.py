"""`make fault-cases`: each fault of the list has a test, which notices that its remedy is gone."""
