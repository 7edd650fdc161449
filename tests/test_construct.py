from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanseq import InputError, read_table
from leanseq.data import construct, encoding
from leanseq.data.construct import (
    BUILT_IN,
    HUMAN_LENTIMPRA,
    YEAST_ABF1TATA,
    YEAST_PTPA,
    Construct,
    from_dict,
    infer,
    read_construct,
)
from leanseq.data.encoding import decode, encode, reverse_complement

LEGNET_57 = "AGTGCTAGCAGGAATGATGCAAAAGGTTCCCGATTCGAACTGCATTTTTTTCACATC"
ABF1_LEFT = "GCTAGCTGATTATGGTAACTCTATCGGACTTGAGGGATCACATTTCACGCAGTATAGTTC"


def ptpa(insert):
    return YEAST_PTPA.left_adapter + insert + YEAST_PTPA.right_adapter


def test_a_110_nt_row_gets_the_padding_of_legnet():
    row = ptpa("ACGT" * 20)
    assert decode(YEAST_PTPA.windows(pl.Series([row]))) == [LEGNET_57 + "ACGT" * 20 + "GGTTACGGCTGTT"]


@pytest.mark.parametrize("bases", [60, 80, 105])
def test_padding_equals_keeping_the_last_150_letters(bases):
    row = ptpa("ACGGT" * (bases // 5))
    context = YEAST_PTPA.left_flank + row
    assert decode(YEAST_PTPA.windows(pl.Series([row]))) == [context[-150:]]


def test_padding_of_real_rows(real_data):
    for name in ("yeast_random_dream", "yeast_native80"):
        rows = read_table(real_data / f"{name}.tsv").sequences.head(3000)
        windows = decode(YEAST_PTPA.windows(rows))
        for row, window in zip(rows, windows, strict=True):
            assert window == (YEAST_PTPA.left_flank + YEAST_PTPA.left_adapter + row[17:])[-150:]


def test_abf1tata_context_is_that_of_the_plasmid():
    assert (YEAST_ABF1TATA.left_flank + YEAST_ABF1TATA.left_adapter).endswith(ABF1_LEFT)


def test_a_short_left_flank_is_completed_from_the_right_then_with_n():
    toy = Construct("toy", left_flank="AA", right_flank="CC", length=9)
    assert decode(toy.windows(pl.Series(["GGGG", "GG", "GGGGGGGGG"]))) == ["NAAGGGGCC", "NNNAAGGCC", "GGGGGGGGG"]


def test_rows_are_worked_on_part_by_part(monkeypatch):
    toy = Construct("toy", left_flank="AA", right_flank="CC", length=9)
    rows = pl.Series(["GGGG", "GG", "GGGGGGGGG", "TT", "GG", "ACG", "TTT", "N"])
    codes, windows = encode(rows), toy.windows(rows)
    for module in (encoding, construct):
        monkeypatch.setattr(module, "PART", 3)
    assert (encode(rows) == codes).all()
    assert (toy.windows(rows) == windows).all()


@given(st.lists(st.text("ACGT", min_size=1, max_size=12), min_size=1, max_size=8))
def test_no_base_of_a_row_is_ever_lost(rows):
    toy = Construct("toy", left_flank="NNNNN", right_flank="NNN", length=14)
    assert [window.replace("N", "") for window in decode(toy.windows(pl.Series(rows)))] == rows


def test_reverse_complement_twice_is_the_same():
    codes = encode(["ACGTNAAC", "TTTTTTTT"])
    assert (reverse_complement(reverse_complement(codes)) == codes).all()


def test_inference_needs_over_95_percent():
    good, bad = ptpa("A" * 80), "ACGT" * 20
    assert infer(pl.Series([good] * 96 + [bad] * 4)) is YEAST_PTPA
    assert infer(pl.Series([bad] * 100)) == Construct()
    with pytest.raises(InputError, match="mixed adapters"):
        infer(pl.Series([good] * 90 + [bad] * 10))


def test_lentimpra_rows_are_known_by_their_adapters_and_are_their_own_window(real_data):
    rows = read_table(real_data / "human_lentimpra_k562.tsv").sequences
    assert HUMAN_LENTIMPRA.matches(rows).all()
    assert infer(rows) is HUMAN_LENTIMPRA
    whole = replace(HUMAN_LENTIMPRA, length=230)
    assert decode(whole.windows(rows[:50])) == rows[:50].to_list()


def test_each_construct_knows_its_organism():
    assert {name: known.organism for name, known in BUILT_IN.items()} == {
        "yeast-ptpa": "yeast",
        "yeast-abf1tata": "yeast",
        "human-lentimpra": "human",
    }


def test_a_construct_saved_before_there_were_organisms_is_read():
    saved = YEAST_PTPA.to_dict()
    del saved["organism"]
    assert from_dict(saved, "config.json") == replace(YEAST_PTPA, organism="")


def test_windows_depend_on_flanks_and_length_alone():
    toy = Construct("toy", "AC", "GT", left_flank="TT", right_flank="GG", length=12)
    for same in ({"name": "other"}, {"left_adapter": ""}, {"right_adapter": ""}, {"organism": "human"}):
        assert replace(toy, **same).same_windows(toy)
    for other in ({"left_flank": "T"}, {"right_flank": ""}, {"length": 13}):
        assert not replace(toy, **other).same_windows(toy)


def test_rows_that_overlap_their_adapters_do_not_match():
    toy = Construct("toy", left_adapter="ACGT", right_adapter="GTAA", length=20)
    assert toy.matches(pl.Series(["ACGTAA", "ACGTGTAA"])).tolist() == [False, True]


def test_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nleft_adapter = "acgt"\nlength = 30\norganism = "human"\n')
    assert read_construct(path) == Construct("mine", left_adapter="ACGT", length=30, organism="human")
    path.write_text('name = "mine"\nleft_adaptor = "acgt"\n')
    with pytest.raises(InputError, match="did you mean 'left_adapter'"):
        read_construct(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": -1}, "expected a number of bp"),
        ({"left_flank": "ACGU"}, "letter 'U'"),
        ({"organism": "mouse"}, "organism is 'mouse', expected yeast, human, or nothing for another"),
        ({"organism": "Human"}, "organism is 'Human', expected yeast"),
        ({"left_adapter": "ACGT", "length": 3}, "shorter than its adapters"),
    ],
)
def test_wrong_constructs_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Construct("x", **values)
