"""The one error a user can cause and mend: what was found, where, what was expected, what to do."""


class InputError(ValueError):
    """Something the user gave does not fit.

    The message is one line. The command line prints it on stderr and exits with code 2; in Python it
    is a ``ValueError``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
