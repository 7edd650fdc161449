"""Specs and options as a user writes them."""

import subprocess
import sys

import pytest

from leanseq.errors import InputError
from leanseq.models import ARCHITECTURES, MODIFICATIONS, create, describe, parse_spec, resolve

ALL = "legnet-optimized+embedding+dilated+transformer+lstm"


def test_import_and_help_without_torch():
    code = (
        "import sys, leanseq.models as m; m.describe('legnet-optimized+lstm');"
        "m.resolve('legnet-optimized+lstm', {'lstm.hidden': '3'}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_order_of_modifications_means_nothing():
    assert parse_spec("legnet-dream2022+lstm+embedding") == ["legnet-dream2022", "embedding", "lstm"]
    assert parse_spec("legnet-dream2022 + embedding + lstm") == ["legnet-dream2022", "embedding", "lstm"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("legnet-optimised", "unknown architecture 'legnet-optimised'; did you mean 'legnet-optimized'?"),
        ("resnet", "unknown architecture 'resnet'; known: " + ", ".join(ARCHITECTURES)),
        ("legnet-optimized+dilate", "unknown modification 'dilate'; did you mean 'dilated'?"),
        ("legnet-optimized+", "unknown modification ''; known: " + ", ".join(MODIFICATIONS)),
        ("legnet-optimized+lstm+lstm", "modification 'lstm' stands more than once"),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(InputError) as error:
        parse_spec(spec)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lstm.hiden": 3}, "did you mean 'lstm.hidden'?"),
        ({"hidden": 3}, "known: dropout, embedding.kind"),
        ({"lstm.hidden": 64.0}, "option lstm.hidden is 64.0, expected a whole number of 1 or more"),
        ({"lstm.hidden": "64.5"}, "option lstm.hidden is '64.5', expected a whole number"),
        ({"lstm.hidden": True}, "option lstm.hidden is True"),
        ({"lstm.hidden": 0}, "option lstm.hidden is 0"),
        ({"lstm.hidden": None}, "option lstm.hidden is None"),
        ({"lstm.bidirectional": 1}, "option lstm.bidirectional is 1, expected true or false"),
        ({"lstm.bidirectional": "yes"}, "option lstm.bidirectional is 'yes', expected true or false"),
        ({"lstm.pooling": "max"}, "option lstm.pooling is 'max', expected mean or last"),
        ({"lstm.pooling": "lasst"}, "did you mean 'last'?"),
        ({"lstm.pooling": 1}, "option lstm.pooling is 1"),
        ({"dropout": 1}, "option dropout is 1, expected a number from 0 to 0.9"),
        ({"dropout": "nan"}, "option dropout is 'nan'"),
        ({"dropout": "a lot"}, "option dropout is 'a lot'"),
        ({"dropout": False}, "option dropout is False"),
        ({"dilated.ratio": -0.1}, "option dilated.ratio is -0.1, expected a number from 0 to 1"),
        ({"dilated.rates": "4,3,x"}, "option dilated.rates is '4,3,x', expected whole numbers with commas"),
        ({"dilated.rates": [4, 0]}, "option dilated.rates is [4, 0]"),
        ({"dilated.rates": []}, "option dilated.rates is []"),
        ({"dilated.rates": 4}, "option dilated.rates is 4"),
        ({"transformer.positions": "sinus"}, "did you mean 'sinusoidal'?"),
        ({"embedding.k": 4}, "option embedding.k has an effect only with embedding.kind=tokens"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(InputError) as error:
        resolve(ALL, options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_option_of_an_absent_modification():
    with pytest.raises(InputError, match=r"belongs to 'lstm', which is not in 'legnet-optimized'"):
        resolve("legnet-optimized", {"lstm.hidden": 3})


def test_strings_toml_and_python_values_agree():
    text = {
        "dropout": "0",
        "lstm.hidden": "64",
        "lstm.bidirectional": "True",
        "lstm.dropout": "0.5",
        "lstm.pooling": "last",
        "dilated.rates": "1,2,3,3,2,1",
    }
    values = {
        "dropout": 0,
        "lstm.hidden": 64,
        "lstm.bidirectional": True,
        "lstm.dropout": 0.5,
        "lstm.pooling": "last",
        "dilated.rates": [1, 2, 3, 3, 2, 1],
    }
    assert resolve(ALL, text) == resolve(ALL, values)
    assert resolve(ALL, values)["dilated"].rates == (1, 2, 3, 3, 2, 1)
    assert isinstance(resolve(ALL, text)["legnet-optimized"].dropout, float)


def test_defaults_pass_their_own_checks():
    defaults = {option.key: option.default for option in describe(ALL)}
    assert resolve(ALL, defaults) == resolve(ALL)


def test_describe_says_everything():
    for option in describe(ALL):
        assert option.meaning
        assert option.expected
        assert option.kind in {"int", "float", "bool", "str", "tuple[int, ...]"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "samll"}, "unknown size 'samll'; did you mean 'small'? known: full, small, tiny"),
        ({"channels": 3}, "channels is 3, expected 4 or more"),
        ({"length": 0}, "length is 0"),
        ({"outputs": 0}, "outputs is 0"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"channels": 4, "length": 50, "outputs": 1, "size": "tiny", **change}
    with pytest.raises(InputError) as error:
        create("legnet-optimized", **arguments)
    assert message in str(error.value)
