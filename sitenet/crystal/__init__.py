"""One structure to numbers: primitive cell, supercell, distances, merged pairs."""
