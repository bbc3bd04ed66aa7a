"""The exception that rejects a crystal."""


class RejectedCrystal(Exception):
    """A crystal cannot be used; the message is the reason, as users read it."""

    @property
    def reason(self) -> str:
        """The message."""
        return str(self)
