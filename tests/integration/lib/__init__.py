# SPDX-License-Identifier: MIT
"""What the integration tests share: fixtures.py has the fixtures, each other module one subject."""
