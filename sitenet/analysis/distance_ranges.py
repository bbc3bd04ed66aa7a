"""Distances that analyses and figures of the attention share."""

FAR = 5.0
"""A. Attention beyond this distance counts as long-ranged: the cutoff that the paper compares."""

REACH = 15.0
"""A, upper end of the histograms."""
