"""`python -m progbench` is the command `progbench`."""

import sys

from progbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
