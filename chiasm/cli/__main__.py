"""`python -m chiasm.cli`, where the command itself is not on the path."""

import sys

from chiasm.cli import main

sys.exit(main())
