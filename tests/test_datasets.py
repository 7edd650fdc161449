import gzip
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from leanseq.cli import data as command
from leanseq.data import sources
from leanseq.data.datasets import DATA_SETS, DataSet, Remote, fetch, find
from leanseq.errors import InputError

TEXT = "".join(f"TGCAT{'ACGT' * 5}{'ACGT'[i % 4]}\t{i % 18}\n" for i in range(500)).encode()
SHA = hashlib.sha256(TEXT).hexdigest()


@dataclass
class Server:
    """A server that can misbehave; `seen` lists the Range header of every request."""

    url: str = ""
    body: bytes = TEXT
    status: int = 200
    cut: int | None = None
    stall: bool = False
    ranges: bool = True
    length: bool = True
    shift: int = 0
    seen: list[str | None] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.seen.append(wanted)
            if state.status != 200:
                self.send_error(state.status)
                return
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and state.ranges else 0
            if start >= len(state.body) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                end = len(state.body) - 1
                self.send_header("Content-Range", f"bytes {start + state.shift}-{end}/{end + 1}")
            if state.length:
                self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            self.wfile.write(state.body[start : state.cut])
            self.wfile.flush()
            if state.stall:
                state.stop.wait(10)

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}/file.txt"
        yield state
        state.stop.set()
        http.shutdown()
        thread.join()


def toy(url: str, layout: sources.Layout = "two columns", **remote) -> DataSet:
    return DataSet("toy", "a toy", "few", (Remote(url, **remote),), layout, "CC0", "nobody")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- downloads ---


def test_download_checks_converts_and_tidies_up(server, tmp_path):
    calls = []
    rows = fetch(
        toy(server.url + "?download=1", size=len(TEXT), sha256=SHA),
        tmp_path / "toy.tsv",
        progress=lambda done, total: calls.append((done, total)),
    )
    table = pl.read_csv(tmp_path / "toy.tsv", separator="\t")
    assert rows == len(table) == 500
    assert table.columns == ["sequence", "expression"]
    assert table["expression"].to_list() == [float(i % 18) for i in range(500)]
    assert calls[0] == (0, len(TEXT))
    assert calls[-1] == (len(TEXT), len(TEXT))
    assert names(tmp_path) == ["toy.tsv"]


def test_truncated_keeps_the_part_and_the_next_run_continues(server, tmp_path):
    server.cut = 1000
    data_set = toy(server.url, sha256=SHA)
    with pytest.raises(InputError, match=r"ended after 1,000 of [\d,]+ bytes.*run the same command again"):
        fetch(data_set, tmp_path / "toy.tsv")
    assert names(tmp_path) == ["toy-file.txt.part"]
    server.cut = None
    assert fetch(data_set, tmp_path / "toy.tsv") == 500
    assert server.seen == [None, "bytes=1000-"]
    assert names(tmp_path) == ["toy.tsv"]


def test_truncated_without_a_length_is_caught_by_the_size(server, tmp_path):
    server.length, server.cut = False, 1000
    with pytest.raises(InputError, match="ended after 1,000"):
        fetch(toy(server.url, size=len(TEXT)), tmp_path / "toy.tsv")


def test_server_that_ignores_ranges_starts_again(server, tmp_path):
    (tmp_path / "toy-file.txt.part").write_bytes(b"x" * 1000)
    server.ranges = False
    assert fetch(toy(server.url, sha256=SHA), tmp_path / "toy.tsv") == 500
    assert server.seen == ["bytes=1000-"]


def test_part_longer_than_the_file_starts_again(server, tmp_path):
    (tmp_path / "toy-file.txt.part").write_bytes(b"x" * (len(TEXT) + 5))
    assert fetch(toy(server.url, sha256=SHA), tmp_path / "toy.tsv") == 500
    assert server.seen[-1] is None


def test_server_that_sends_another_range(server, tmp_path):
    (tmp_path / "toy-file.txt.part").write_bytes(TEXT[:1000])
    server.shift = 7
    with pytest.raises(InputError, match="another part than asked for"):
        fetch(toy(server.url, sha256=SHA), tmp_path / "toy.tsv")
    assert names(tmp_path) == []


def test_whole_part_needs_no_network(tmp_path):
    (tmp_path / "toy-file.txt.part").write_bytes(TEXT)
    unused = "http://127.0.0.1:9/file.txt"
    assert fetch(toy(unused, size=len(TEXT), sha256=SHA), tmp_path / "toy.tsv") == 500


@pytest.mark.parametrize(
    ("expected", "message"),
    [({"sha256": "0" * 64}, f"SHA-256 is {SHA}, expected 0000"), ({"size": 10}, "expected 10; the file was removed")],
)
def test_wrong_content_is_removed(server, tmp_path, expected, message):
    with pytest.raises(InputError, match=message):
        fetch(toy(server.url, **expected), tmp_path / "toy.tsv")
    assert names(tmp_path) == []


def test_refused_connection_offers_the_simulation(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=r"no network.*leanseq simulate"):
        fetch(toy(f"http://127.0.0.1:{port}/file.txt"), tmp_path / "toy.tsv")
    assert names(tmp_path) == []


def test_unknown_host_offers_the_simulation(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(InputError, match=r"name cannot be found.*leanseq simulate"):
        fetch(toy("http://nowhere.invalid/file.txt"), tmp_path / "toy.tsv")


def test_stalled_connection(server, tmp_path):
    server.cut, server.stall = 1000, True
    with pytest.raises(InputError, match=r"no data for 0\.3 s.*run the same command again"):
        fetch(toy(server.url), tmp_path / "toy.tsv", timeout=0.3)
    assert (tmp_path / "toy-file.txt.part").read_bytes() == TEXT[:1000]


@pytest.mark.parametrize(
    ("status", "message"), [(404, "answered 404 Not Found; the file has moved"), (500, "answered 500.*try again later")]
)
def test_server_errors(server, tmp_path, status, message):
    server.status = status
    with pytest.raises(InputError, match=message):
        fetch(toy(server.url), tmp_path / "toy.tsv")
    assert names(tmp_path) == []


def test_folder_and_keep(server, tmp_path):
    raw = tmp_path / "new" / "raw"
    data_set = toy(server.url, sha256=SHA)
    fetch(data_set, tmp_path / "toy.tsv", folder=raw, keep=True)
    assert names(raw) == ["toy-file.txt"]
    fetch(data_set, tmp_path / "again.parquet", folder=raw)
    assert len(server.seen) == 1
    assert names(raw) == []
    assert len(pl.read_parquet(tmp_path / "again.parquet")) == 500


# --- tables ---


def test_gzipped_source_and_output(server, tmp_path):
    server.body = gzip.compress(TEXT)
    fetch(toy(server.url.replace(".txt", ".txt.gz")), tmp_path / "toy.tsv.gz")
    text = gzip.decompress((tmp_path / "toy.tsv.gz").read_bytes()).decode()
    assert text.splitlines()[:2] == ["sequence\texpression", f"TGCAT{'ACGT' * 5}A\t0.0"]


def test_native_csv(server, tmp_path):
    server.body = b",sequence,Measured Expression,Predicted Expression\n0,acgt,13.16,14.3\n1,GGNA,2.5,1.0\n"
    fetch(toy(server.url, "native csv"), tmp_path / "toy.tsv")
    assert (tmp_path / "toy.tsv").read_text() == "sequence\texpression\nACGT\t13.16\nGGNA\t2.5\n"


def test_parquet_and_splits(server, tmp_path):
    pl.DataFrame({"sequence": ["ACGT"], "activity": [3.5], "row_id": [0]}).write_parquet(tmp_path / "p")
    server.body = (tmp_path / "p").read_bytes()
    one = toy(server.url, "parquet")
    two = replace(
        one,
        files=(
            Remote(server.url, split="train"),
            Remote(server.url.replace("file", "other"), split="val"),
        ),
    )
    assert fetch(two, tmp_path / "toy.tsv") == 2
    assert (tmp_path / "toy.tsv").read_text() == ("sequence\texpression\tsplit\nACGT\t3.5\ttrain\nACGT\t3.5\tval\n")


@pytest.mark.parametrize(
    ("body", "layout", "message"),
    [
        (b"ACGT\t1\nAC-T\t2\nACGT\tx\n", "two columns", r"row 2 \(of 2 such rows\) where DNA and a number"),
        (b"ACGT\t1\nACGT\tnan\n", "two columns", "row 2"),
        (b"<html>\n<body>sign in</body>\n", "two columns", "DNA and a number|not in the expected form"),
        (b"a,b\n1,2\n", "native csv", "not in the expected form"),
        (b"not parquet", "parquet", "not in the expected form"),
        (b"", "two columns", "no row at all|not in the expected form"),
    ],
)
def test_unexpected_content(server, tmp_path, body, layout, message):
    server.body = body
    with pytest.raises(InputError, match=message):
        fetch(toy(server.url, layout), tmp_path / "toy.tsv")
    assert not (tmp_path / "toy.tsv").exists()


# --- the list and the command ---


def test_every_set_is_described_and_points_to_public_data():
    assert len({data_set.name for data_set in DATA_SETS}) == len(DATA_SETS)
    for data_set in DATA_SETS:
        assert data_set.about
        assert data_set.rows
        assert data_set.licence
        assert "doi 10." in data_set.citation
        for remote in data_set.files:
            assert re.match(r"https://(zenodo\.org|raw\.githubusercontent\.com|huggingface\.co)/", remote.url)
            assert remote.sha256 is None or re.fullmatch("[0-9a-f]{64}", remote.sha256)
            assert "?" not in remote.name
        raw = [remote.name for remote in data_set.files]
        assert len(set(raw)) == len(raw)


def test_find_suggests():
    assert find("ptpa-hq").files[0].name == "HighQuality.pTpA.Glu.test.txt.gz"
    with pytest.raises(InputError, match="did you mean 'dream2022'"):
        find("dream202")
    with pytest.raises(InputError, match="known sets: dream2022, "):
        find("zzz")


def test_commands(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "DATA_SETS", (toy(server.url, sha256=SHA),))
    monkeypatch.chdir(tmp_path)
    command.list_sets()
    assert "toy: a toy" in capsys.readouterr().out
    command.fetch("toy")
    shown = capsys.readouterr()
    assert "toy.tsv: 500 rows; licence: CC0; cite: nobody" in shown.out
    assert f"{len(TEXT):,} of {len(TEXT):,} bytes" in shown.err
    with pytest.raises(InputError, match=r"toy\.tsv: exists already"):
        command.fetch("toy")
    command.fetch("toy", overwrite=True)
    with pytest.raises(InputError, match="--timeout is 0"):
        command.fetch("toy", timeout=0.0)
    with pytest.raises(InputError, match="unknown kind of output"):
        command.fetch("toy", output=Path("toy.xlsx"))


def test_progress_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with command.progress_on_stderr() as progress:
        progress(0, 10)
        progress(10, 10)
    assert capsys.readouterr().out == ""
