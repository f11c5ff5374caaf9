"""The same as `sirve workspace`: python scripts/workspace.py --help."""

import sys

from sirve.cli.workspace import main

if __name__ == "__main__":
    sys.exit(main())
