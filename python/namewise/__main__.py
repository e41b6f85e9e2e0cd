"""`python -m namewise`: the same as `nw`."""

import sys

from namewise.cli import main

sys.exit(main())
