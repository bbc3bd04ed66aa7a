"""One module per figure, one style."""
