import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from gatewatch.adapters.files import InputProblem, Limits, LogFile
from gatewatch.core.records import EventRecord
from gatewatch.ingest.contract import Framing, Line, file_identity
from gatewatch.ingest.registry import ADAPTERS
from tests.ingesting import arrival

DATA = Path(__file__).parents[2] / "data"
TEXT = b"first line\nsecond line\nthird\n"


def written(folder: Path, name: str, data: bytes) -> str:
    """A file's path."""
    path = folder / name
    path.write_bytes(data)
    return str(path)


def whole(path: str, framing: Framing = "lines") -> list[Line]:
    """All lines of a file."""
    with LogFile(path, framing) as file:
        return list(file)


def problem(path: str, limits: Limits | None = None) -> tuple[str, str, int]:
    """Code and message of what stops the reading, and how many lines came before."""
    lines: list[Line] = []
    with pytest.raises(InputProblem) as stopped:
        drain(path, lines, limits)
    return stopped.value.code, str(stopped.value), len(lines)


def drain(path: str, lines: list[Line], limits: Limits | None) -> None:
    """Reads a file into `lines`."""
    with LogFile(path, limits=limits) as file:
        lines.extend(file)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.log", TEXT),
        ("a.log.gz", gzip.compress(TEXT, mtime=0)),
        ("A.LOG.GZ", gzip.compress(TEXT, mtime=0)),
        ("members.gz", gzip.compress(TEXT[:13], mtime=0) + gzip.compress(TEXT[13:], mtime=0) + b"\0" * 512),
        ("a.log.zst", zstandard.compress(TEXT)),
        ("frames.zst", zstandard.compress(TEXT[:13]) + zstandard.compress(TEXT[13:])),
    ],
)
def test_kinds(tmp_path: Path, name: str, data: bytes) -> None:
    """Plain, gzip and zstd files, of several members too, give the same lines and the same identity."""
    with LogFile(written(tmp_path, name, data)) as file:
        assert file.identity == file_identity(b"first line")
        assert list(file) == [Line(b"first line", 0, 1), Line(b"second line", 11, 2), Line(b"third", 23, 3)]
        assert not file.ends_mid_line
        assert file.consumed == file.total == len(data)


def test_growing_file_keeps_its_identity(tmp_path: Path) -> None:
    """A file is known by its first line, under whatever name and however it grew."""
    with LogFile(written(tmp_path, "a", TEXT)) as one, LogFile(written(tmp_path, "b.1", TEXT * 3)) as other:
        assert one.identity == other.identity


def test_real_log_as_gzip(tmp_path: Path) -> None:
    """A real log gives the same records from gzip, zstd and as it is."""
    data = (DATA / "sshd-auth.log").read_bytes()
    paths = [
        str(DATA / "sshd-auth.log"),
        written(tmp_path, "a.gz", gzip.compress(data)),
        written(tmp_path, "a.zst", zstandard.compress(data)),
    ]
    readings = []
    for path in paths:
        with LogFile(path) as file:
            adapter = ADAPTERS["sshd"](file.identity)
            readings.append([result for line in file for result in adapter.read(line, arrival("sshd"))])
    assert readings[0] == readings[1] == readings[2]
    assert sum(isinstance(result, EventRecord) for result in readings[0]) == 1_268


def test_progress(tmp_path: Path) -> None:
    """Progress counts the bytes read from disk, up to their total."""
    data = gzip.compress(os.urandom(200_000).hex().encode())
    seen: list[tuple[int, int | None]] = []
    with LogFile(written(tmp_path, "a.gz", data), progress=lambda *step: seen.append(step)) as file:
        list(file)
    assert seen == sorted(seen)
    assert seen[-1] == (len(data), len(data))


def test_stdin_given() -> None:
    """`-` reads the stream it is given and leaves it open."""
    stream = io.BytesIO(TEXT)
    with LogFile("-", stdin=stream) as file:
        assert (file.name, file.total) == ("standard input", None)
        assert len(list(file)) == 3
    assert not stream.closed


def test_stdin_of_a_process() -> None:
    """`-` reads the process's standard input, also from a pipe."""
    code = "from gatewatch.adapters.files import LogFile; print(len(list(LogFile('-'))))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=TEXT, capture_output=True, env=with_source(), check=True
    )
    assert done.stdout.split() == [b"3"]


def with_source() -> dict[str, str]:
    """The environment in which a child finds the package that is tested."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}


def test_ends_mid_line() -> None:
    """A last line without its end is read, and the summary can say so."""
    with LogFile(str(DATA / "bad_input" / "ends_mid_line.jsonl"), "json") as file:
        assert len(list(file)) == 3
        assert file.ends_mid_line


def test_blank_file(tmp_path: Path) -> None:
    """A file of blank lines is no empty file: its lines are there to be accounted for."""
    assert [line.data for line in whole(written(tmp_path, "a", b"\n\n\n"))] == [b"", b"", b""]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_document(tmp_path: Path, start: bytes) -> None:
    """A JSON document is cut into its elements, a byte order mark before it or not."""
    path = written(tmp_path, "a.json", start + b'[\n  {"a": 1},\n  {"a": 2}\n]\n')
    assert [(line.data, line.number) for line in whole(path, "json")] == [(b'{"a": 1}', 2), (b'{"a": 2}', 3)]


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("empty.log", b"", "empty", "empty"),
        ("empty.gz", gzip.compress(b"", mtime=0), "empty", "empty"),
        ("empty.zst", b"", "empty", "empty"),
        ("random.log", (DATA / "bad_input" / "binary.bin").read_bytes(), "binary", "binary"),
        ("program", b"\x7fELF" + bytes(4_000), "binary", "binary"),
        ("utf16.log", "Mar 27".encode("utf-16"), "binary", "UTF-16"),
        ("a.log", gzip.compress(TEXT, mtime=0), "compressed", "gzip"),
        ("a.log", zstandard.compress(TEXT), "compressed", "zstd"),
        ("a.gz", TEXT, "corrupt", "damaged"),
        ("a.zst", TEXT, "corrupt", "damaged"),
    ],
)
def test_unusable(tmp_path: Path, name: str, data: bytes, code: str, said: str) -> None:
    """A file that cannot be read is refused on opening, in one plain line that names it."""
    path = written(tmp_path, name, data)
    found, message, lines = problem(path)
    assert (found, lines) == (code, 0)
    assert message.startswith(path)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("path", ["nowhere.log", ".", "a\0b", "nowhere/a.gz"])
def test_unreadable(path: str) -> None:
    """A path that cannot be opened is refused in one plain line."""
    code, message, _ = problem(path)
    assert code == "unreadable"
    assert message.startswith(path)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_cut_off(tmp_path: Path, pack: type) -> None:
    """Of a compressed file that was cut off, what came before is read, then it stops with one line."""
    text = "".join(f"{number} {os.urandom(40).hex()}\n" for number in range(20_000)).encode()
    data: bytes = pack(text)
    name = "a.gz" if pack is gzip.compress else "a.zst"
    code, message, lines = problem(written(tmp_path, name, data[: len(data) // 2]))
    assert code == "corrupt"
    assert "what came before was read" in message
    assert 5_000 < lines < 20_000


@pytest.mark.parametrize("name", ["bomb.gz", "bomb.zst"])
def test_bomb(tmp_path: Path, name: str) -> None:
    """A bomb is stopped after decompression passes its limit; the lines before are kept."""
    text = b"first\n" + b"x" * 30_000_000
    data = gzip.compress(text) if name.endswith(".gz") else zstandard.compress(text)
    code, message, lines = problem(written(tmp_path, name, data), limits=Limits(free=1_000_000, ratio=100))
    assert (code, lines) == ("decompressed_too_large", 1)
    assert "stopped at" in message


def test_bomb_by_total(tmp_path: Path) -> None:
    """The absolute limit holds whatever the ratio."""
    code, _, lines = problem(written(tmp_path, "a.log", TEXT * 100_000), limits=Limits(total=1_000_000))
    assert code == "decompressed_too_large"
    assert lines > 0


def test_ordinary_compression_passes(tmp_path: Path) -> None:
    """A log of equal lines, which compresses well, is no bomb below the free limit."""
    assert len(whole(written(tmp_path, "a.gz", gzip.compress(TEXT * 100_000)))) == 300_000


def test_long_line_is_not_held(tmp_path: Path) -> None:
    """A 50 MB line in gzip is one truncated line, read in bounded memory."""
    code = (
        "import resource, sys; from gatewatch.adapters.files import LogFile\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "lines = list(LogFile(sys.argv[1]))\n"
        "print([line.truncated_size for line in lines], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    path = written(tmp_path, "a.gz", gzip.compress(b"a\n" + b"y" * 50_000_000 + b"\nb\n"))
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, env=with_source(), check=True
    )
    sizes, _, grown = done.stdout.decode().strip().rpartition(" ")
    assert sizes == "[0, 50000000, 0]"
    assert int(grown) < 16_000  # KiB
