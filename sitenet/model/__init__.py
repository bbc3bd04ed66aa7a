"""Site-Net: parameters, the dense reference, and the factorised, merged engine."""
