"""Division of crystals into training, validation and test, and random selections of labels."""
