"""From one structure to numbers: primitive cell, supercell, distances, merged pairs."""
