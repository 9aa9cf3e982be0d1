"""What a user can get wrong: one plain line on standard error and a non-zero exit, never a traceback."""


class UserError(Exception):
    """What was asked cannot be done; the message is the line to print."""
