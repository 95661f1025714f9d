# SPDX-License-Identifier: MIT
"""What the tests with real engines share. conftest.py adds this folder to the package `lib` of the
integration tests, so `from lib.poll import …` and `from lib.docker import …` both work."""
