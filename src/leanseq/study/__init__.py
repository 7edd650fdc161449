"""Many runs that answer one question: configurations x seeds, compared on the same rows."""
