"""The best model for few labels: arms to choose from, nested cross-validation, what is saved."""
