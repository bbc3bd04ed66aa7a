"""Figures and printed tables: a module for each, and a common style."""
