"""`python -m sitenet`: the command line without its console script."""

import sys

from sitenet.cli import main

sys.exit(main())
