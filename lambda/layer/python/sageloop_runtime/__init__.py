"""The loop's logic: data, training, gate, registry, rollout, evaluation, reconciliation."""
