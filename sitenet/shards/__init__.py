"""Featurised crystals on disk (Parquet) and in memory, and batches of them."""
