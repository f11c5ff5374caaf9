"""The same as `sirve inside`: python scripts/inside.py --help."""

import sys

from sirve.cli.inside import main

if __name__ == "__main__":
    sys.exit(main())
