"""Commands that run: up, api, detector, notifier, connector, migrate, version."""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gatewatch import __version__, bootstrap, logs, runtime, worker
from gatewatch.bootstrap import Login
from gatewatch.cli import stopping
from gatewatch.cli.attendance import database
from gatewatch.cli.errors import UserError
from gatewatch.cli.state import State, state_of
from gatewatch.cli.supervisor import Supervisor
from gatewatch.cli.welcome import welcome
from gatewatch.connector import Connector
from gatewatch.metrics import serving
from gatewatch.metrics.kinds import Service
from gatewatch.notifier import Notifier
from gatewatch.ports import Unavailable
from gatewatch.settings import Settings

WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, api, detector, notifier, connector, migrate, version):
        app.command()(command)


def up(
    context: typer.Context,
    detectors: Annotated[int, typer.Option(min=1, max=64, help="How many detector processes.")] = 1,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Fail where the database is away, instead of waiting.")
    ] = False,
    kafka: Annotated[
        str,
        typer.Option(help="Brokers that the log lies on (GATEWATCH_KAFKA_BOOTSTRAP).", show_default=False),
    ] = "",
) -> None:
    """Run the whole system on this machine until Ctrl-C; its data stays."""
    state = state_of(context)
    if kafka:
        state = state.with_settings(kafka_bootstrap=kafka)
    settings = state.settings
    connector = bool(settings.vendor_topics)
    if connector:
        from gatewatch import bootstrap_kafka

        bootstrap_kafka.check_vendor_topics(settings)
    logs.configure(settings.log_level, "up")
    stop = stopping.on_signals()
    log = logs.get()
    supervisor = Supervisor(
        settings, log.info, command="up", detectors=detectors, api=True, connector=connector
    )
    waited = False
    while True:
        try:
            supervisor.start()
            break
        except Unavailable as error:
            if no_wait:
                raise
            if not waited:
                log.warning("waiting for the database", reason=str(error))
            waited = True
            if stop.wait(2.0):
                return
    try:
        welcome(state, supervisor.conninfo, supervisor.url)
        log.info("Gatewatch runs; Ctrl-C stops it", detectors=detectors, data=str(settings.data_path))
        supervisor.run(stop)
        log.info("stopping")
    finally:
        supervisor.stop()
    log.info("stopped; the data stays", data=str(settings.data_path))


def api(
    context: typer.Context,
    serve: Annotated[
        str, typer.Option(help="What this process answers, with commas.")
    ] = "ingest,decide,query,ui",
    with_parent: WithParent = False,
) -> None:
    """Run one process of the HTTP API."""
    # Imported here: no other command should wait for the web framework.
    from gatewatch.api import server
    from gatewatch.api.app import build, functions

    try:
        served = functions(serve)
    except ValueError as error:
        raise UserError(f"--serve: {error}") from None
    settings, conninfo = _service(context, "api")
    try:
        listener = server.listening(settings.api_host, settings.api_port)
    except OSError as error:
        where = f"{settings.api_host}:{settings.api_port}"
        raise UserError(f"cannot listen on {where}: {_why(error)}") from None
    stop = stopping.on_signals()
    if with_parent:
        stopping.with_parent(stop)
    with listener:
        app = build(settings, bootstrap.serving(settings, conninfo), served)
        gc.freeze()  # what is there now stays: no collection while somebody waits has to look at it
        logs.get().info("the API listens", url=server.address(listener) + settings.base_path)
        server.serve(app, listener, stop)


def detector(context: typer.Context, with_parent: WithParent = False) -> None:
    """Run one detector: it shares the log's partitions with all others."""
    settings, conninfo = _service(context, "detector")
    stop = stopping.on_signals()
    if with_parent:
        stopping.with_parent(stop)
    logs.get().info("the detector runs", core=runtime.core())
    worker.Detector(settings, bootstrap.processing(settings, conninfo), stop).run()


def notifier(context: typer.Context, with_parent: WithParent = False) -> None:
    """Run the notifier: it relays the outbox and keeps the log in order."""
    settings, conninfo = _service(context, "notifier")
    stop = stopping.on_signals()
    if with_parent:
        stopping.with_parent(stop)
    Notifier(bootstrap.relaying(settings, conninfo), stop, settings.heartbeat).run()


def connector(context: typer.Context, with_parent: WithParent = False) -> None:
    """Run one connector: it brings vendors' Kafka topics to the log, and shares their partitions with all others."""
    settings, conninfo = _service(context, "connector")
    stop = stopping.on_signals()
    if with_parent:
        stopping.with_parent(stop)
    Connector(bootstrap.connected(settings, conninfo), stop, settings.heartbeat).run()


def _service(context: typer.Context, name: Service) -> tuple[Settings, str]:
    settings = state_of(context).settings
    logs.configure(settings.log_level, name)
    logs.last_words()
    conninfo = database(settings)
    if settings.metrics_port:
        try:
            serving.serve(name, settings.metrics_host, settings.metrics_port)
        except OSError as error:
            where = f"{settings.metrics_host}:{settings.metrics_port}"
            raise UserError(f"cannot listen on {where}: {_why(error)} (GATEWATCH_METRICS_PORT)") from None
    return settings, conninfo


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def migrate(
    context: typer.Context,
    login: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=FILE",
            help="Also provide the user and password of the URL in a file as a login of a role (worker, app).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the database's tables up to this version."""
    state = state_of(context)
    settings = state.settings
    logins = [_login(text) for text in login or ()]
    if settings.database_url:
        _migrate(state, settings.database_url, logins)
        return
    with bootstrap.embedded(settings, state.say) as server:
        _migrate(state, server.conninfo, logins)


def _login(text: str) -> Login:
    """What `--login worker=FILE` asks for. Raises `UserError`."""
    role, _, file = text.partition("=")
    try:
        return bootstrap.login(role, Path(file).read_text("utf-8").strip())
    except (OSError, ValueError) as error:
        raise UserError(f"--login {text}: {getattr(error, 'strerror', None) or error}") from None


def _migrate(state: State, conninfo: str, logins: Sequence[Login]) -> None:
    applied = bootstrap.prepare_log(state.settings, conninfo)
    state.say(f"migrated: {', '.join(applied)}" if applied else "nothing to migrate")
    if logins:
        bootstrap.provide_logins(conninfo, logins)
        state.say(f"logins: {', '.join(f'{login.name} ({login.role})' for login in logins)}")


def version() -> None:
    """Print the version."""
    sys.stdout.write(f"gatewatch {__version__}\n")
