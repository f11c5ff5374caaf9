"""The same as `sirve evaluate`: python scripts/evaluate.py --help."""

import sys

from sirve.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
