"""`python -m aster_operator` is `aster-operator`."""

import sys

from aster_operator.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
