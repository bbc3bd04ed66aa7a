"""The command line as a program: `sitenet`, or `python -m sitenet` without its console script."""

from sitenet.cli import main
from sitenet.lifetime import leave_with


def run() -> None:
    """Run the command of the program's arguments, and end the process with its exit code."""
    leave_with(main())


if __name__ == "__main__":
    run()
