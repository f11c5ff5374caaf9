"""The same as `sirve simulate`: python scripts/simulate.py --help."""

import sys
from pathlib import Path

from sirve.cli.simulate import main

if __name__ == "__main__":
    # Your own modules are imported from the folder of train.py.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    main()
