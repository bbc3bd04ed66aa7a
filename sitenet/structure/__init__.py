"""CIF text to a checked crystal: cells, elements, formulas, oxidation states, rejections."""
