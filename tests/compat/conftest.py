# SPDX-License-Identifier: MIT
"""The fixtures are those of the integration tests."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))
sys.path.insert(0, HERE)

from lib.fixtures import *  # noqa: E402,F401,F403
