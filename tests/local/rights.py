"""Being nobody in particular: root may do everything, so that its tests of what it may not do would be none."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Have this thread, and those that it starts, heed the rights of files even as root (capabilities(7))."""
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    _call(_libc.capget, header, sets)
    before = [each.effective for each in sets]
    try:
        _set(header, sets, [0, 0])
        yield
    finally:
        _set(header, sets, before)


def _set(header: _Header, sets: ctypes.Array[_Sets], effective: list[int]) -> None:
    for each, value in zip(sets, effective, strict=True):
        each.effective = value
    _call(_libc.capset, header, sets)


def _call(function: ctypes._NamedFuncPointer, header: _Header, sets: ctypes.Array[_Sets]) -> None:
    if function(ctypes.byref(header), sets) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
