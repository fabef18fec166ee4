"""Text from outside: what any of it must be, whatever it is for."""

from typing import Annotated

from msgspec import Meta

Text = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
"""PostgreSQL's text holds no NUL. Add your own lengths: `Annotated[Text, Meta(max_length=100)]`."""
