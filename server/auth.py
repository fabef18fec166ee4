"""Who asks: the request's viewer, unless their session has ended."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from litestar import Request
from litestar.di import Provide

from domain import eventlog
from domain.accounts.events import SessionRevoked
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.errors import Unauthorized
from domain.eventlog import Event
from domain.ids import SessionID
from domain.sessions.actions import Device
from domain.sessions.queries import revoked_since
from domain.settings import settings
from server.call import viewer_of_token

# An access token outlives its session by `access_token_s` at most; a minute more for clocks that differ.
KEPT: Final = timedelta(seconds=settings.access_token_s + 60)


class SessionEnded(Unauthorized):
    """This session has ended: sign in again."""


class Revocations:
    """The sessions that have ended while access tokens of theirs may live, so that no request has to ask for them.

    They come from the database at the start, from this process's own commits, and by `add` from the other processes,
    as news. `listen` and the tail must run before `load`: so nothing falls between.
    """

    def __init__(self) -> None:
        self._until: dict[SessionID, float] = {}

    def __contains__(self, session_id: SessionID) -> bool:
        return session_id in self._until

    def __len__(self) -> int:
        return len(self._until)

    def listen(self) -> Callable[[], None]:
        """Hear of the sessions that this process ends; the answer undoes it."""
        return eventlog.listen(self._hear)

    async def load(self) -> None:
        """Read which sessions have ended lately."""
        for session_id, revoked_at in await revoked_since(now() - KEPT):
            self._until[session_id] = (revoked_at + KEPT).timestamp()

    def add(self, session_id: SessionID) -> None:
        """From now on the session's access tokens are refused. Forgets those that have expired by now."""
        time = now()
        self._until.pop(session_id, None)  # the dict stays in the order in which they expire
        self._until[session_id] = (time + KEPT).timestamp()
        while (oldest := next(iter(self._until))) != session_id and self._until[oldest] <= time.timestamp():
            del self._until[oldest]

    def _hear(self, event: Event) -> None:
        if isinstance(event, SessionRevoked):
            self.add(event.session_id)


revocations = Revocations()


def viewer(request: Request[Any, Any, Any]) -> Viewer:
    """Who asks. Raises Unauthorized: TokenInvalid, TokenExpired, SessionEnded."""
    found = viewer_of_token(request.scope)
    if found.session_id in revocations:
        raise SessionEnded
    return found


async def signed_in(request: Request[Any, Any, Any]) -> None:
    """Before each request: who is nobody is told so before their request's body is read. No guard, for which Litestar
    copies the handler each time."""
    if "viewer" in request.route_handler.parsed_fn_signature.parameters:
        viewer(request)


def device(request: Request[Any, Any, Any]) -> Device:
    """From where they sign in."""
    user_agent = request.headers.get("user-agent")
    return Device(
        user_agent=None if user_agent is None else user_agent.replace("\0", "")[:400],
        ip=None if request.client is None else request.client.host,
    )


dependencies = {
    "viewer": Provide(viewer, sync_to_thread=False),
    "device": Provide(device, sync_to_thread=False),
}
