"""Deep InfoMax: learning from crystals without labels (doi 10.1039/d4dd00202d)."""
