"""Start and end of a process that loads large libraries, without work that nobody sees.

Freeing what torch has loaded takes a third of a second at the end of a process, and looking for
garbage among its modules while they load a tenth at the start: together two fifths of such a
process that does nothing.
"""

import atexit
import gc
import logging
import os
import sys

_code: int | None = None


def begin_loading() -> None:
    """Look for no garbage until `end_loading`: imports leave next to none."""
    gc.disable()


def end_loading() -> None:
    """Look for garbage again, but not among what was loaded, which stays."""
    gc.freeze()
    gc.enable()


def leave_with(code: int) -> None:
    """End with `code` when the program is over, without freeing memory first.

    What else happens at the end of a program does: it waits for its threads, and calls what was
    registered with `atexit` since this module was imported, which should come first.
    """
    global _code
    _code = code


@atexit.register
def _leave() -> None:
    if _code is None or hasattr(sys, "last_value"):  # the program failed after all
        return
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # a full disk, or nobody reads the output any more
        os._exit(_code or 1)
    os._exit(_code)
