"""`leanseq models`."""

from __future__ import annotations


def models(spec: str | None = None) -> None:
    """List architectures, modifications and their options.

    Parameters
    ----------
    spec
        Only the options of this network, such as `legnet-optimized+lstm`; by default of all.
    """
    from ..models import ARCHITECTURES, MODIFICATIONS, SIZES, describe

    if spec is None:
        print(f"architectures   {', '.join(ARCHITECTURES)}")
        print(f"modifications   {', '.join(MODIFICATIONS)}   (combine with +, as in legnet-optimized+dilated+lstm)")
        print(f"sizes           {', '.join(SIZES)}")
        spec = "+".join([next(iter(ARCHITECTURES)), *MODIFICATIONS])
    options = describe(spec)  # refuses an unknown name before anything is printed
    print("\noptions (--set name=value)")
    for option in options:
        default = ",".join(map(str, option.default)) if isinstance(option.default, tuple) else option.default
        print(f"  {option.key:<26}{default!s:<14}{option.meaning} ({option.expected})")
