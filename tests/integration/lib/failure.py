# SPDX-License-Identifier: MIT
"""How the program has to tell that it failed. Not here: what it should have failed at."""

import re

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def lines_of(done):
    """stderr without the warnings, which tell of something else."""
    text = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
    return [line for line in text.splitlines() if ": warning: " not in line]


def assert_failed(done, status, *words, hint=None):
    """One line that holds all of `words`, then at most one that begins with `hint:` (and holds
    the text of `hint`); returns that one line. Nothing of it may move a terminal's cursor."""
    lines = lines_of(done)
    assert done.returncode == status, done
    assert lines and lines[0].startswith("conjoin: "), done
    assert [line.partition(" ")[0] for line in lines[1:]] in ([], ["hint:"]), done
    assert [line for line in lines if CONTROL.search(line)] == [], done
    assert [word for word in words if word not in lines[0]] == [], done
    if hint is not None:
        assert len(lines) == 2 and hint in lines[1], done
    return lines[0]
