"""Quality of predictions and representations: metrics, baselines, ensembles, tables."""
