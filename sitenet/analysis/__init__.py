"""What trained models attend to, and statistics of it."""
