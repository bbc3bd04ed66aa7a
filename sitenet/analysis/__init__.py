"""Analyses of trained models: attention, long-range coefficients, invariance, statistics."""
