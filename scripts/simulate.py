"""The same as `sirve simulate`: python scripts/simulate.py --help."""

import sys
from pathlib import Path

from sirve.cli.simulate import main

if __name__ == "__main__":
    # Modules of one's own lie beside train.py.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    main()
