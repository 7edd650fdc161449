"""Tables of measured sequences, the construct they sit in, and their codes."""
