"""`gatewatch topics create|describe|check|grow`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer

from gatewatch import bootstrap
from gatewatch.cli.attendance import reachable
from gatewatch.cli.errors import UserError
from gatewatch.cli.rendering import columns, grid
from gatewatch.cli.state import State, state_of
from gatewatch.services.topics import CannotGrow, DescribedTopic, TopicKeeping

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The topics on Kafka, and the partitions of the log.", no_args_is_help=True)
    for command in (create, describe, check, grow):
        group.command()(command)
    app.add_typer(group, name="topics")


@contextmanager
def _keeping(state: State) -> Iterator[TopicKeeping]:
    if not state.settings.kafka_bootstrap:
        raise UserError(
            "the log lies in PostgreSQL, where `gatewatch migrate` makes it; GATEWATCH_KAFKA_BOOTSTRAP names brokers"
        )
    from gatewatch import bootstrap_kafka  # where there is no Kafka, nothing of it is loaded

    with (
        reachable(state.settings) as conninfo,
        bootstrap_kafka.topic_keeping(state.settings, conninfo) as keeping,
    ):
        yield keeping


def create(context: typer.Context, dry_run: DryRun = False) -> None:
    """Create the topics that are missing, and make the log known to the database. What is there stays as it is."""
    state = state_of(context)
    with _keeping(state) as keeping:
        done = keeping.create(dry=dry_run)
    _tell(state, done or ["all topics are there"], dry_run)


def _tell(state: State, lines: list[str], dry: bool) -> None:
    if dry:
        lines = ["this would be done:", *(f"  {line}" for line in lines)]
    for line in lines:
        state.out.print(line, markup=False, highlight=False, soft_wrap=True)


def describe(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON each.")] = False,
) -> None:
    """Show every topic as it is."""
    state = state_of(context)
    with _keeping(state) as keeping:
        found = keeping.describe()
    if json:
        for topic in found:
            state.emit(msgspec.structs.asdict(topic))
        return
    table = grid("topic", "partitions", "copies", "records", "unread", "generation", "as declared")
    columns(state.out, [_row(topic) for topic in found], table)


def _row(topic: DescribedTopic) -> list[str]:
    numbers = (topic.partitions, topic.replicas, topic.records, topic.unread, topic.generation)
    return [topic.name, *("" if n is None else f"{n:,}" for n in numbers), "; ".join(topic.problems) or "yes"]


def check(context: typer.Context) -> None:
    """Compare the topics with what they should be; exit code 1 where one is not."""
    state = state_of(context)
    with _keeping(state) as keeping:
        problems = [f"{topic.name} {problem}" for topic in keeping.describe() for problem in topic.problems]
    if problems:
        raise UserError("; ".join(problems))
    state.say("all topics are as they should be")


def grow(
    context: typer.Context,
    partitions: Annotated[int, typer.Argument(min=1, max=1024, help="The new number of partitions.")],
    dry_run: DryRun = False,
) -> None:
    """Have more partitions of the log while it is written and read; what lies on old ones finds its way."""
    state = state_of(context)
    try:
        if state.settings.kafka_bootstrap:
            with _keeping(state) as keeping:
                _tell(state, keeping.grow(partitions, dry=dry_run), dry_run)
            return
        with reachable(state.settings) as conninfo:
            if dry_run:
                raise UserError("--dry-run is for topics on Kafka")
            generation = bootstrap.grow(conninfo, partitions)
            state.say(f"the log has {partitions} partitions (generation {generation})")
    except CannotGrow as error:
        raise UserError(str(error)) from None
