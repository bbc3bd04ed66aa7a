"""Which crystals train, validate and test, and which of them show their labels."""
