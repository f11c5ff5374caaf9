"""The same as `sirve compare`: python scripts/compare.py --help."""

import sys

from sirve.cli.compare import main

if __name__ == "__main__":
    sys.exit(main())
