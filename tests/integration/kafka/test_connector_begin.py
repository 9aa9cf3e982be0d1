"""Where connectors begin to read a partition, and what they say where that is gone."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from gatewatch import metrics
from gatewatch.adapters.kafka import vendors
from tests.integration.kafka.vendor import PARTITIONS, Vendor, logins
from tests.support.commands import until


def test_latest_is_said_once(vendor: Vendor) -> None:
    """A group that begins at the end leaves out what was there before, and never again."""
    vendor.put(vendor.sso, logins(8))
    on = vendor.on
    with vendor.connected(connector_from="latest"):
        until(lambda: vendor.done(vendor.sso) == 8, "a place in each partition")
    vendor.put(vendor.sso, logins(8, 8))
    with on.running(), vendor.connected(connector_from="latest"):
        on.eventually("SELECT count(*)::int FROM login_events", 8)
    assert sorted(on.stored()) == sorted(f"keycloak-kc-{i}" for i in range(8, 16))


def test_latest_leaves_out_nothing_of_a_new_partition(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on a partition that the vendor adds is read from its first message on, though it is seen later."""
    monkeypatch.setattr(vendors, "METADATA_AGE", 1_000)
    vendor.put(vendor.sso, logins(8))
    on = vendor.on
    with on.running(), vendor.connected(connector_from="latest"):
        until(lambda: vendor.done(vendor.sso) == 8, "a place in each partition")
        more = [NewPartitions(vendor.sso, PARTITIONS + 1)]
        vendor.admin.create_partitions(more)[vendor.sso].result()
        vendor.put(vendor.sso, logins(8, 8), partition=PARTITIONS)
        on.eventually("SELECT count(*)::int FROM login_events", 8)
    assert sorted(on.stored()) == sorted(f"keycloak-kc-{i}" for i in range(8, 16))


def test_what_the_vendor_deleted_too_early(vendor: Vendor) -> None:
    """A range that is gone before it was read is told as an error and counted; what is left is read."""
    vendor.put(vendor.sso, logins(8), partition=0)
    on = vendor.on
    with on.running(), vendor.connected():
        on.eventually("SELECT count(*)::int FROM login_events", 8)
        until(lambda: vendor.done(vendor.sso) == 8, "the group's offsets")
        before = _gaps()
    vendor.put(vendor.sso, logins(8, 8), partition=0)
    place = TopicPartition(vendor.sso, 0, 12)
    for future in on.admin.delete_records([place]).values():
        future.result()
    with on.running(), vendor.connected():
        on.eventually("SELECT count(*)::int FROM login_events", 12)
    assert _gaps() == before + 1


def _gaps() -> float:
    return float(metrics.GAPS.collector._value.get())  # noqa: SLF001 - the library offers no other way
