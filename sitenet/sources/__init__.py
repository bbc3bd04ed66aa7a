"""Sources of crystals, and the validated table of structures and labels made from them.

A source (`prototypes`, `matbench`, `table`, `cif_folder`) yields records (`records`). `collect`
checks them (`record_checks`), writes usable crystals to structures.parquet (`structure_table`,
`structure_writer`), and lists the others with reasons in rejected.csv (`rejection_limit`).
"""
