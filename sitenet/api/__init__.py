"""Trained models applied to crystals of any form; estimators of scikit-learn and matminer."""
