"""`python -m aster_operator` is the command `aster-operator`."""

import sys

from aster_operator.cli.entry import main

sys.exit(main())
