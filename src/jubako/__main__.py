"""``python -m jubako`` is ``jubako``."""

import sys

from jubako.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
