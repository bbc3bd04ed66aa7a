"""Site-Net and Deep InfoMax on crystals: from CIFs to trained models, figures and tables."""

import os

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning (read when torch is first imported):
# with one busy neighbour on the machine, spinning makes a training step up to 16 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
