"""Where crystals come from: one validated table of structures and labels.

A source (`prototypes`, `matbench`, `table`, `cif_folder`; see `kinds`) offers records (`records`).
`collect.collect` reads each CIF (`cif.read_cif`), writes what is usable to structures.parquet
(`tables`) and the reasons for the rest to rejected.csv. `splits.make_split` divides the crystals
of a task; `oxidation.guess_oxidation` guesses oxidation states from a composition.
"""
