"""`python main.py`, as in the first source system: the same as `aster-operator run` with the same options."""

import sys

try:
    from aster_operator.cli.entry import main
except ModuleNotFoundError:
    sys.exit("aster-operator: not installed for this Python: run make install, then .venv/bin/python main.py")

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
