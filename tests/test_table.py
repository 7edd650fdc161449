import gzip

import numpy as np
import polars as pl
import pytest

from leanseq import InputError, read_table
from leanseq.data import summary
from leanseq.data.summary import fingerprint, summarise
from leanseq.data.table import from_columns

PLAIN = "sequence\texpression\nACGTACGT\t1.5\nGGGGCCCC\t2\nACGTNCGT\t3\n"


def write(tmp_path, text, name="t.tsv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\t", ","),
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN + "\n\n  \n\t\n",
        PLAIN.replace("ACGTACGT", "acgtacgt"),
        PLAIN.replace("ACGTACGT", " ACGTACGT ").replace("\t2", "\t 2.0 "),
        PLAIN.replace("ACGTACGT", '"ACGTACGT"').replace("sequence", '"sequence"'),
        PLAIN.replace("sequence", "Sequence").replace("expression", " Expression "),
        PLAIN.split("\n", 1)[1],
        "\n\n" + PLAIN,
    ],
    ids=[
        *("tab", "comma", "mark", "crlf", "cr", "blank-end"),
        *("lower", "spaces", "quoted", "header-case", "headless", "blank-start"),
    ],
)
def test_what_spreadsheets_write_is_read_alike(tmp_path, text):
    table = read_table(write(tmp_path, text))
    assert table.sequences.to_list() == ["ACGTACGT", "GGGGCCCC", "ACGTNCGT"]
    assert table.expression.tolist() == [1.5, 2.0, 3.0]


def test_gzip_and_parquet_hold_the_same_table(tmp_path):
    plain = read_table(write(tmp_path, PLAIN))
    packed = read_table(write(tmp_path, gzip.compress(PLAIN.encode()), "t.tsv.gz"))
    pl.DataFrame({"sequence": plain.sequences, "expression": plain.expression}).write_parquet(tmp_path / "t.parquet")
    assert fingerprint(plain) == fingerprint(packed) == fingerprint(read_table(tmp_path / "t.parquet"))


def test_fasta_and_bare_lists_serve_where_only_sequences_are_needed(tmp_path):
    fasta = read_table(write(tmp_path, ">one some words\nACGT\nAC\n\n>two\nggg\n", "a.fa"), expression=None)
    assert fasta.frame["id"].to_list() == ["one", "two"]
    assert fasta.sequences.to_list() == ["ACGTAC", "GGG"]
    bare = read_table(write(tmp_path, "ACGTACGT\nGGGGGGGG\n", "a.txt"), expression=None)
    assert bare.sequences.to_list() == ["ACGTACGT", "GGGGGGGG"]
    with pytest.raises(InputError, match="no column 'expression'"):
        read_table(write(tmp_path, ">one\nACGT\n", "b.fa"))


def test_columns_may_have_other_names(tmp_path):
    path = write(tmp_path, "dna\tlog2\nACGT\t-1\nAACC\t2\n")
    table = read_table(path, sequence="dna", expression="log2")
    assert table.expression.tolist() == [-1.0, 2.0]
    with pytest.raises(InputError, match=r"no column 'sequence' \(found: dna, log2\).*--sequence-column"):
        read_table(path)


def test_optional_columns_are_numbers_and_replicates_may_be_missing(tmp_path):
    text = "sequence\texpression\treads\trep1\trep2\nACGT\t1\t3\t1\t\nAACC\t2\t1\tNaN\t2\n"
    table = read_table(write(tmp_path, text))
    assert table.replicates == ["rep1", "rep2"]
    assert table.frame["reads"].to_list() == [3.0, 1.0]
    assert table.frame["rep2"].to_list() == [None, 2.0]


def test_iupac_codes_become_n_and_are_counted(tmp_path):
    table = read_table(write(tmp_path, PLAIN.replace("GGGG", "GRYG")))
    assert table.sequences[1] == "GNNGCCCC"
    assert (table.ambiguous, summarise(table).with_n) == (1, 2)


def test_summary_counts_what_is_there():
    table = from_columns({"sequence": ["ACGT", "ACGT", "GGGGG", "acg"], "expression": [1.0, 2.0, 3.0, 4.5]})
    summary = summarise(table)
    assert (summary.rows, summary.duplicates, summary.contradicting, summary.lower_case) == (4, 1, 1, 1)
    assert (summary.length_min, summary.length_max) == (3, 5)
    assert summary.gc == pytest.approx((2 + 2 + 5 + 2) / 16)
    assert summary.integer_share == 0.75
    assert "1, 1 with contradicting values" in dict(summary.lines())["repeated sequences"]


def test_fingerprint_depends_on_values_and_order_only():
    base = {"sequence": ["ACGT", "GGGG"], "expression": [1.0, 2.0]}
    prints = [
        fingerprint(from_columns(columns))
        for columns in (
            base,
            base | {"note": ["x", "y"]},
            base | {"expression": [1.0, 2.5]},
            {"sequence": ["GGGG", "ACGT"], "expression": [2.0, 1.0]},
            base | {"weight": [1.0, 2.0]},
        )
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def test_fingerprint_is_the_same_part_by_part(monkeypatch):
    values = {"sequence": ["ACGT", "GGGG", "A", "CC", "TTT"], "expression": [1.0, 2.0, 3.0, 4.0, 5.0]}
    table = from_columns(values | {"split": ["train", "", "val", None, "train"]})
    whole = fingerprint(table)
    monkeypatch.setattr(summary, "PART", 2)
    assert fingerprint(table) == whole


def test_only_the_odd_rows_are_put_right():
    given = pl.Series(["ACGT", " acgt", "GRYG", "ACNT", "TTTT\n", "acgt"])
    table = from_columns({"sequence": given, "expression": [1.0] * 6})
    assert table.sequences.to_list() == ["ACGT", "ACGT", "GNNG", "ACNT", "TTTT", "ACGT"]
    assert (table.lower_case, table.ambiguous) == (2, 1)
    assert given[1] == " acgt"
    with pytest.raises(InputError, match="the given data: row 5: column 'sequence' has 'E' at position 2"):
        from_columns({"sequence": ["ACGT", "acgt", "ACGT", "N", "AEGT"], "expression": [1.0] * 5})


def test_real_tables_are_read(real_data):
    table = read_table(real_data / "yeast_random_abf1tata.tsv")
    summary = summarise(table)
    assert (summary.rows, summary.with_n) == (13239, 4)
    assert summary.adapters == {"yeast-ptpa": 0.0, "yeast-abf1tata": 1.0, "human-lentimpra": 0.0}
    assert summary.integer_share == pytest.approx(10303 / 13239)
    assert np.isfinite(table.expression).all()
