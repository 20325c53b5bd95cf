"""A plugin for sessions that judge by another expected/ folder than the checkout's."""

import os
from pathlib import Path

from progbench.session import options

opened, ROOT = options.opened, Path(os.environ["OTHER_ANSWERS"])
options.opened = lambda asked, runs, root, **keywords: opened(asked, runs, ROOT, **keywords)
