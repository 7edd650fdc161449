"""`leanseq models`."""

from __future__ import annotations


def models(spec: str | None = None) -> None:
    """List architectures, modifications and their options.

    Parameters
    ----------
    spec
        Only the options of this network, such as `legnet-optimized+lstm`; by default of all.
    """
    from ..models import ARCHITECTURES, MODIFICATIONS, OPTIONS, SIZES, SLOTTED, options_of, parse_spec

    names = list(OPTIONS) if spec is None else parse_spec(spec)  # refuses an unknown name before anything is printed
    if spec is None:
        print(f"architectures   {', '.join(ARCHITECTURES)}")
        print(f"modifications   {', '.join(MODIFICATIONS)}   (of {' and '.join(SLOTTED)};")
        print("                combine with +, as in legnet-optimized+dilated+lstm)")
        print(f"sizes           {', '.join(SIZES)}")
    print("\noptions (--set name=value)")
    for name in names:
        print(f"{name}:")
        for option in options_of(name):
            default = ",".join(map(str, option.default)) if isinstance(option.default, tuple) else option.default
            print(f"  {option.key:<26}{default!s:<14}{option.meaning} ({option.expected})")
