"""Fast paths of the pair block, chosen once per process and logged.

The environment variable SITENET_ENGINE says which: `auto` (default; compiled where a compiler is
found, else plain), `compiled` (an error where it cannot be built) or `plain`.
"""

import os
from collections.abc import Callable
from functools import cache

from sitenet.model.kernels.build import NoCompiler, library
from sitenet.model.kernels.cpu import open_library, pair_block
from sitenet.progress import log


@cache
def load() -> Callable | None:
    """The compiled pair block for CPU tensors, or None: use the plain one.

    Raises ValueError for an unknown SITENET_ENGINE, and NoCompiler where it is `compiled` and the
    kernel cannot be built.
    """
    engine = os.environ.get("SITENET_ENGINE", "auto")
    if engine not in ("auto", "compiled", "plain"):
        raise ValueError(f"SITENET_ENGINE must be auto, compiled or plain, not {engine!r}")
    if engine == "plain":
        log.info("pair block: plain PyTorch (SITENET_ENGINE=plain)")
        return None
    try:
        path = library()
        open_library(path)
    except (NoCompiler, OSError) as error:
        if engine == "compiled":
            raise
        log.warning(f"pair block: plain PyTorch, several times slower ({error})")
        return None
    log.info(f"pair block: compiled ({path})")
    return pair_block
