"""Training with and without labels: one loop, its tasks, checkpoints and processes."""
