#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: deny.py RULE… -- COMMAND [ARG…]
Runs COMMAND on a kernel that seems to lack system calls: a seccomp filter answers them with an errno.

    clone3=ENOSYS               the call
    setns[1]=0x60000000:EINVAL  only when argument 1 has that value
    memfd_create[1]&0x10:EINVAL only when argument 1 has that bit

The filter lasts over execve, so what COMMAND starts is under it as well. Not a test."""

import ctypes
import errno
import os
import re
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7
NO_NEW_PRIVS = 3  # SCMP_FLTATR_CTL_NNP
RULE = re.compile(r"(\w+)(?:\[(\d)\](=|&)(\w+):|=)(E\w+)")


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def check(result, what):
    if result < 0:
        sys.exit(f"deny.py: {what}: {os.strerror(-result)}")
    return result


def add(seccomp, context, text):
    match = RULE.fullmatch(text)
    if not match:
        sys.exit(f"deny.py: no rule: {text}")
    name, index, operator, value, code = match.groups()
    call = seccomp.seccomp_syscall_resolve_name(name.encode())
    if call < 0:
        sys.exit(f"deny.py: libseccomp knows no {name}")
    comparisons = (Comparison * 1)()
    if index is not None:
        number = int(value, 0)
        comparisons[0] = (
            Comparison(int(index), EQUAL, number, 0) if operator == "="
            else Comparison(int(index), MASKED_EQUAL, number, number)
        )
    action = ctypes.c_uint32(ERRNO | getattr(errno, code))
    count = 0 if index is None else 1
    check(
        seccomp.seccomp_rule_add_array(context, action, call, ctypes.c_uint(count), comparisons),
        text,
    )


def main():
    rules, command = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(ALLOW)))
    if os.geteuid() == 0:  # the command would have to keep no_new_privs for good
        check(seccomp.seccomp_attr_set(context, NO_NEW_PRIVS, ctypes.c_uint32(0)), "attribute")
    for rule in rules:
        add(seccomp, context, rule)
    check(seccomp.seccomp_load(context), "load")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
