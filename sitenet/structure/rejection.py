"""The exception that rejects one crystal."""


class RejectedCrystal(Exception):
    """The crystal cannot be used; the message is the reason, for a person to read."""

    @property
    def reason(self) -> str:
        """The message."""
        return str(self)
