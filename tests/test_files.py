import errno
import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from leanseq.data.writing import TABLE_SUFFIXES, check_new, table_suffix, table_writer
from leanseq.errors import InputError
from leanseq.files import atomic_path, write_json, write_text


def test_a_file_is_made_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as draft:
        assert draft.parent == tmp_path
        draft.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_keeps_the_old_file_and_leaves_no_litter(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    fails = pytest.raises(error)
    with fails, atomic_path(target) as draft:
        draft.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_errors_of_the_system_name_the_file_and_the_reason(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    named = pytest.raises(InputError, match=r"a\.txt.*No space left")
    with named, atomic_path(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        raise full
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"), atomic_path(tmp_path / "file" / "a.txt"):
        pass


def test_text_and_json(tmp_path):
    write_text(tmp_path / "a.txt", "één\n")
    assert (tmp_path / "a.txt").read_bytes() == "één\n".encode()
    write_json(tmp_path / "a.json", {"é": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": [1, None]}


def test_check_new(tmp_path):
    check_new(tmp_path / "none")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for path in (tmp_path, tmp_path / "link"):
        check_new(path, overwrite=True)
        with pytest.raises(InputError, match="exists already"):
            check_new(path)


def test_table_suffix():
    names = ("a.TSV", "a.b.tsv.gz", "a.csv", "a.parquet")
    assert [table_suffix(Path(name)) for name in names] == [".tsv", ".tsv.gz", ".csv", ".parquet"]
    with pytest.raises(InputError, match=r"expected a name that ends in \.tsv"):
        table_suffix(Path("a.xlsx"))


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_table_writer_joins_parts(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with table_writer(path) as append:
        append(pl.DataFrame({"x": [1], "y": ["a"]}))
        append(pl.DataFrame({"x": [2], "y": ["b"]}))
    read = (
        pl.read_parquet(path)
        if suffix == ".parquet"
        else pl.read_csv(path, separator="," if suffix == ".csv" else "\t")
    )
    assert read.rows() == [(1, "a"), (2, "b")]
    assert list(tmp_path.iterdir()) == [path]


def test_gzip_bytes_are_reproducible(tmp_path):
    for name in ("a.tsv.gz", "b.tsv.gz"):
        with table_writer(tmp_path / name) as append:
            append(pl.DataFrame({"x": [1]}))
    assert (tmp_path / "a.tsv.gz").read_bytes() == (tmp_path / "b.tsv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.tsv.gz").read_bytes()) == b"x\n1\n"


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_table_writer_leaves_nothing_on_failure(tmp_path, suffix):
    fails = pytest.raises(RuntimeError)
    with fails, table_writer(tmp_path / f"a{suffix}") as append:
        append(pl.DataFrame({"x": [1]}))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
