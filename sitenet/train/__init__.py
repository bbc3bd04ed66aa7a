"""Training, metrics and baselines."""
