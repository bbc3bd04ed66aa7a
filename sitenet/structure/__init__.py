"""From CIF text to a validated crystal: cells, elements, formulas, oxidation states."""
