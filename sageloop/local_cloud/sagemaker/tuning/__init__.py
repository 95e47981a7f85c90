"""Hyperparameter tuning jobs: training jobs with values that optuna suggests."""
