"""What can go wrong: a kind decides the HTTP status, a class name is a code, its docstring the message."""

import re


class DomainError(Exception):
    """The request could not be carried out."""

    def __init__(self, details: dict[str, str] | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(self.message)
        self.details = details or {}
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """The class's name in snake_case, as clients see it."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def message(self) -> str:
        """The first line of the class's docstring."""
        return (type(self).__doc__ or DomainError.__doc__ or "").strip().splitlines()[0]


class NotFound(DomainError):
    """There is no such thing, or you may not know of it."""


class Forbidden(DomainError):
    """You may not do this."""


class Conflict(DomainError):
    """This contradicts what is already there."""


class Invalid(DomainError):
    """The request is not valid."""


class TooMany(DomainError):
    """Too many requests: wait a moment."""


class Unauthorized(Forbidden):
    """Sign in first: the token is missing, expired or not valid."""
