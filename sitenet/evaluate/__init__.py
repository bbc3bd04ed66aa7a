"""How good predictions and representations are: metrics, baselines, ensembles, tables."""
