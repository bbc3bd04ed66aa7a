"""Where crystals come from: one validated table of structures and labels."""
