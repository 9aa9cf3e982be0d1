"""The API over a real socket: uvicorn in a thread, on a free port of the loopback interface."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import httpx
from fastapi import FastAPI

from gatewatch.api import server
from tests.support.commands import Process, until


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an app for as long as it is looked at; gives its URL."""
    stop, failures = Event(), list[BaseException]()

    def run() -> None:
        try:
            server.serve(app, listener, stop)
        except BaseException as error:  # noqa: BLE001 -- told by the test's own thread
            failures.append(error)

    with server.listening("127.0.0.1", 0) as listener:
        thread = Thread(target=run)
        thread.start()
        try:
            url = server.address(listener)
            until(lambda: answers(url) or bool(failures), "the server")
            yield url
        finally:
            stop.set()
            thread.join()
    if failures:
        raise failures[0]


def url_of(process: Process) -> str:
    """Where a process of the API listens."""
    process.says("the API listens")
    found = re.search(r"http://[\w.:]+", process.said)
    assert found is not None
    return found[0]


def answers(url: str) -> bool:
    """Whether a server answers."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def problem(response: httpx.Response) -> dict[str, Any]:
    """The problem that an answer tells of, which must be one in form; with `code` for the end of its type."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    found: dict[str, Any] = response.json()
    prefix, _, code = found["type"].rpartition(":")
    assert prefix == "urn:gatewatch:problem"
    assert found["status"] == response.status_code
    assert found["title"]
    return {**found, "code": code}


def spoken(url: str, request: bytes, more: bytes = b"") -> bytes:
    """What a server answers to these bytes, up to the end of the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        if more:
            connection.sendall(more)
        return b"".join(iter(lambda: connection.recv(65_536), b""))
