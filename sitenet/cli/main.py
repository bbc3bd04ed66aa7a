"""Entry point of the command line: parse the arguments and run the command."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from sitenet.cli.arguments import make_parser
from sitenet.lifetime import begin_loading, end_loading
from sitenet.progress import log, setup_logging
from sitenet.sources.records import SourceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    0: all done. 1: an error. 2: some crystals were refused, or the arguments are wrong.
    """
    setup_logging()
    options = make_parser().parse_args(arguments)
    try:
        begin_loading()
        run = _command(options.command)
        end_loading()
        return run(options) or 0
    except BrokenPipeError:  # nobody reads on
        return 1
    except (ValueError, OSError, SourceError) as error:
        log.error(f"sitenet {options.command}: {error}")
        return 1


def _command(name: str) -> Callable[[Namespace], int | None]:
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
        case "fit":
            from sitenet.cli.fit import run_fit

            return run_fit
        case "info":
            from sitenet.cli.info import run_info

            return run_info
        case "import-checkpoint":
            from sitenet.cli.import_checkpoint import run_import_checkpoint

            return run_import_checkpoint
        case "trace":
            from sitenet.cli.trace import run_trace

            return run_trace
    raise ValueError(f"there is no command {name}")
