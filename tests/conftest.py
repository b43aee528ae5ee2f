"""What every test shares: no settings file of the machine is ever read."""

import os

os.environ["ASTER_OPERATOR_ENV_FILE"] = ""
