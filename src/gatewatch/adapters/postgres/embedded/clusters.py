"""The files of a cluster: made whole or not at all, of the right version, owned by who runs the server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gatewatch.adapters.postgres.embedded.access import HOST, SUPERUSER, Access
from gatewatch.adapters.postgres.embedded.accounts import Account, Lodging
from gatewatch.adapters.postgres.embedded.binaries import ENVIRONMENT, PostgresBinaries
from gatewatch.adapters.postgres.embedded.errors import StartFailed, WrongVersion

WHO_MAY_CONNECT = f"""\
local all all scram-sha-256
host all all {HOST}/32 scram-sha-256
"""


def create(cluster: Path, lodging: Lodging, *, durable: bool) -> None:
    """Make a cluster under another name and give it its own when it is whole."""
    fresh = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, *lodging.account.owner)
    # `trust` never meets a connection: the rules are replaced before a server runs on these files.
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", f"--username={SUPERUSER}"]
    sync = [] if durable else ["--no-sync"]
    run(lodging, "initdb", ["--pgdata", str(fresh), *options, *sync])
    (fresh / "pg_hba.conf").write_text(WHO_MAY_CONNECT)
    fresh.rename(cluster)


def run(lodging: Lodging, program: str, args: Sequence[str], said: str = "") -> None:
    """Run one of PostgreSQL's programs to its end. Raises `StartFailed` with what it said last."""
    done = subprocess.run(
        lodging.account.command(lodging.binaries.path(program), *args),
        input=said,
        capture_output=True,
        text=True,
        cwd=lodging.folder,
        env=ENVIRONMENT,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise StartFailed(f"{program} failed: {last_words(done.stderr or done.stdout)}")


def check_version(cluster: Path, binaries: PostgresBinaries) -> None:
    """Raise `WrongVersion` where the data was written by another major version."""
    written_by = (cluster / "PG_VERSION").read_text().strip()
    if written_by != str(binaries.major):
        raise WrongVersion(
            f"the data in {cluster} was written by PostgreSQL {written_by}, but the programs in {binaries.folder} are "
            f"PostgreSQL {binaries.version}: use version {written_by}, or move the data over with pg_upgrade"
        )


def hand_over(cluster: Path, account: Account) -> None:
    """Make an account the owner of a cluster that ran under another one before."""
    status = cluster.stat()
    if (status.st_uid, status.st_gid) == account.owner or os.geteuid() != 0:
        return
    for folder, _, files in os.walk(cluster):
        for name in [".", *files]:
            os.chown(Path(folder, name), *account.owner, follow_symlinks=False)


def set_superuser_password(cluster: Path, lodging: Lodging, access: Access) -> None:
    """Give a stopped cluster's superuser its password, over standard input: no command line shows it."""
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{access.superuser_password}';\n"
    run(lodging, "postgres", ["--single", "-D", str(cluster), "postgres"], said=statement)


def last_words(output: str) -> str:
    """Give the line that says why a program ended: its last fatal one, else its last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    grave = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return (grave or lines or ["it said nothing"])[-1]
