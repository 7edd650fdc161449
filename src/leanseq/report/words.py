"""Say numbers and findings in words."""

from __future__ import annotations

import math

from ..baselines import CONSTANT, RIDGE, TREES
from .scores import Metrics, Result, Score

SPLITS = {"valid": "validation", "test": "test"}


def number(value: float | None, sign: bool = False, like: float | None = None) -> str:
    """Write a score with three decimals, fewer where it (or `like`) is large, a dash where it is undefined.

    Examples
    --------
    >>> number(0.6761), number(0.0781, sign=True), number(-0.5), number(-0.0001), number(1234.5), number(None)
    ('0.676', '+0.078', '−0.500', '0.000', '1,234', '–')
    """
    if value is None:
        return "–"
    size = abs(value if like is None else like)
    decimals = 3 if size < 10 else 2 if size < 100 else 0
    # z: what rounds to zero has no minus
    return f"{value:{'+' if sign else ''}z,.{decimals}f}".replace("-", "−")


def interval(score: Score | None, sign: bool = False) -> str:
    """Write a score with its interval.

    Examples
    --------
    >>> interval(Score(0.676, 0.652, 0.699))
    '0.676 (0.652 to 0.699)'
    """
    if score is None:
        return "undefined"
    value, low, high = (number(each, sign, like=score.value) for each in (score.value, score.low, score.high))
    return f"{value} ({low} to {high})"


def duration(seconds: float) -> str:
    """Write a time in the units a person would use.

    Examples
    --------
    >>> duration(2.13), duration(59.7), duration(912.3), duration(11100.0)
    ('2.1 s', '1 min', '15 min 12 s', '3 h 5 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = [("h", whole // 3600), ("min", whole % 3600 // 60), ("s", whole % 60)]
    return " ".join(f"{count} {unit}" for unit, count in units if count and not (unit == "s" and whole >= 3600))


def sentence(text: str) -> str:
    """Give words a capital and a full stop.

    Examples
    --------
    >>> sentence("the last epoch was kept")
    'The last epoch was kept.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def verdict(gain: Score, who: str = "The network") -> str:
    """Judge a model against a baseline by the interval of their difference in r.

    Examples
    --------
    >>> verdict(Score(0.02, -0.01, 0.05))
    'There is no evidence of a gain'
    """
    if gain.low > 0:
        return f"{who} is clearly better"
    if gain.high < 0:
        return f"{who} is clearly worse"
    return "There is no evidence of a gain"


def headline(metrics: Metrics, name: str = "", who: str = "The network") -> list[str]:
    """Answer in a few sentences how well the network predicts, and whether it was worth training.

    A network whose loss shows no skill is said to have none, however good its r.

    Parameters
    ----------
    metrics
        Of the run.
    name, who
        How it is called first, by default by its architecture, and then.
    """
    split, name = metrics.splits[0], name or metrics.network
    network = metrics.result(metrics.network, split)
    if network is None or network.r is None:
        return [f"{name} gives every {SPLITS.get(split, split)} sequence the same value: nothing was learned."]
    r = network.r
    answer = [
        f"{name} predicts {network.n:,} {SPLITS.get(split, split)} sequences with r = {number(r.value)} "
        f"(95% interval {number(r.low)} to {number(r.high)})."
    ]
    if network.share is not None and metrics.ceiling is not None:
        answer.append(f"That is {network.share:.0%} of the most these labels allow, {number(metrics.ceiling)}.")
    for name in (RIDGE, TREES):
        if told := _reached(metrics.result(name, split)):
            answer.append(told)
        if gain := metrics.gain(split, name):
            answer.append(f"{verdict(gain, who)}: the difference in r is {interval(gain, sign=True)}.")
    kept = metrics.result(metrics.network, "valid")  # the no-skill levels are those of the validation rows
    loss = kept.scores[metrics.loss.lower()] if kept else None
    if loss is not None and loss.value >= metrics.no_skill.get(CONSTANT, math.inf):
        answer.append("By its validation loss it does no better than the same answer for every sequence.")
    return answer


def _reached(baseline: Result | None) -> str:
    """Say what a baseline is and what it reaches; nothing where it was not trained or its r is undefined."""
    if baseline is None or baseline.r is None:
        return ""
    time = f" trained in {duration(baseline.seconds)}" if baseline.seconds else ""
    if baseline.model == TREES:
        return f"The {TREES}{time and f',{time},'} reach {number(baseline.r.value)}."
    return f"The {baseline.model}, a linear model{time}, reaches {number(baseline.r.value)}."


def gains(metrics: Metrics) -> str:
    """Tell the difference in r to the baselines on every split."""
    sentences = []
    for name in (TREES, RIDGE):
        known = {split: gain for split in metrics.splits if (gain := metrics.gain(split, name))}
        told = (f"{SPLITS.get(split, split)} {interval(gain, sign=True)}" for split, gain in known.items())
        sentences += [f"Network minus {name}: {', '.join(told)}."] if known else []
    return " ".join(sentences)


def loss_unit(metrics: Metrics) -> str:
    """Name the loss and its unit."""
    return "KL divergence, nats" if metrics.loss == "KL" else f"{metrics.loss}, expression²"


def skill(metrics: Metrics, valid_loss: float | None) -> str:
    """Compare the last validation loss with the best answer that reads no sequence."""
    level = metrics.no_skill.get(CONSTANT)
    if valid_loss is None or level is None:
        return ""
    compared = f"The last validation loss is {number(valid_loss)}, the constant answer costs {number(level)}: "
    if valid_loss < level:
        return compared + f"{1 - valid_loss / level:.0%} less than without reading any sequence."
    return compared + "no skill by this loss. Ranks may be learned all the same (see r), values are not."
