"""Entry point of the command line: parse the arguments and run the command."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from sitenet.cli.arguments import make_parser
from sitenet.progress import log, setup_logging
from sitenet.structure.rejection import RejectedCrystal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, or 1 after an error (2 for wrong arguments)."""
    setup_logging()
    options = make_parser().parse_args(arguments)
    try:
        _command(options.command)(options)
    except (RejectedCrystal, ValueError, OSError) as error:
        log.error(f"sitenet {options.command}: {error}")
        return 1
    return 0


def _command(name: str) -> Callable[[Namespace], None]:
    """The function of a command, imported here because most of them load torch."""
    match name:
        case "predict":
            from sitenet.cli.predict import run_predict

            return run_predict
        case "embed":
            from sitenet.cli.embed import run_embed

            return run_embed
        case "explain":
            from sitenet.cli.explain import run_explain

            return run_explain
        case "import-checkpoint":
            from sitenet.cli.import_checkpoint import run_import_checkpoint

            return run_import_checkpoint
        case "trace":
            from sitenet.cli.trace import run_trace

            return run_trace
    raise ValueError(f"there is no command {name}")
