"""A plugin for sessions that judge by another expected/ folder than the checkout's."""

import os
from pathlib import Path

from progbench.session import opening

opened, ROOT = opening.opened, Path(os.environ["OTHER_ANSWERS"])
opening.opened = lambda asked, root, **keywords: opened(asked, ROOT, **keywords)
