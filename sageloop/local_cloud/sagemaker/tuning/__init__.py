"""Hyperparameter tuning jobs, really searched: trials are training jobs, values are optuna's."""
