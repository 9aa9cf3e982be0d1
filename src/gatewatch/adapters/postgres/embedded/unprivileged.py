"""Give up root, then become another program. Run as a script, so that no thread of ours is carried over.

    python -I -S unprivileged.py MODE UID GID run PROGRAM ARGS…
    python -I -S unprivileged.py MODE UID GID reach FOLDER PROGRAM…

MODE `userns` keeps owning root's files but is UID within a user namespace of its own, without any capability
after the exec; MODE `nobody` becomes UID and GID for good. `reach` ends with 0 if what lies in FOLDER can be opened
and each PROGRAM can be run.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def enter_user_namespace(uid: int, gid: int) -> None:
    """Become `uid` in a new user namespace in which nobody else exists."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "this system does not let us make a user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def drop_to(uid: int, gid: int) -> None:
    """Become another user for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def reaches(folder: str, programs: Sequence[str]) -> bool:
    """Tell whether the files a server needs can be used.

    access(2) leaves out the capabilities that are lost at the exec, so the answer holds for the server too.
    """
    return os.access(folder, os.X_OK) and all(os.access(program, os.R_OK | os.X_OK) for program in programs)


def main(argv: Sequence[str]) -> int:
    """Do as the arguments say; only `reach` and failures come back."""
    mode, uid, gid, verb, first, *rest = argv
    os.umask(0o077)
    os.chdir("/")  # older versions of PostgreSQL insist on knowing the path of the folder they are started in
    (enter_user_namespace if mode == "userns" else drop_to)(int(uid), int(gid))
    if verb == "reach":
        return 0 if reaches(first, rest) else 1
    return os.execv(first, [first, *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
