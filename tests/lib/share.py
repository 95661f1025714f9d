# SPDX-License-Identifier: MIT
"""A plugin of pytest: of all tests runs those that are in this share, SHARE="N SEED": one of N, and another
one for each seed. For what takes several times as long as the tests themselves (tests/run, stage asan)."""

import os
import zlib


def pytest_collection_modifyitems(config, items):
    if "SHARE" not in os.environ:
        return
    parts, _, seed = os.environ["SHARE"].partition(" ")
    kept, left = [], []
    for item in items:
        number = zlib.crc32(f"{seed} {item.nodeid}".encode())
        (left if number % int(parts) else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
