"""Site-Net and Deep InfoMax on crystals: from CIFs to trained models, figures and tables."""

__version__ = "0.1.0"
