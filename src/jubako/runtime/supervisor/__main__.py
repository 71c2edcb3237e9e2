"""``python -m jubako.runtime.supervisor``: see ``main``."""

import sys

from jubako.runtime.supervisor.main import main

sys.exit(main())
