"""The command line: apply and explain models, trace results to their jobs.

Each command has a module of its own, imported when the command is called. Help, wrong arguments
and `trace` need neither torch nor pandas.
"""

from sitenet.cli.main import main

__all__ = ["main"]
