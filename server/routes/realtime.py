"""The upgrade to a live connection: what is agreed before the first message."""

from typing import Any

from litestar import asgi
from litestar.types import Receive, Scope, Send

from domain.settings import settings
from realtime.gateway import Gateway
from realtime.protocol import JSON, SUBPROTOCOLS
from realtime.websocket import EXTENSION, AsgiOutlet
from server.errors import send_refusal


@asgi("/api/v1/ws", copy_scope=False)
async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """`potluck.v1`: see docs/realtime.md."""
    if scope["type"] != "websocket":
        await send_refusal(scope, send, 426, "upgrade_required", "This is a WebSocket.")
        return
    await receive()  # websocket.connect
    offered = scope["subprotocols"]
    agreed = next((each for each in offered if each in SUBPROTOCOLS), JSON if not offered else None)
    if agreed is None:
        known = " or ".join(SUBPROTOCOLS)
        await send_refusal(scope, send, 400, "unknown_subprotocol", f"Offer {known}.")
        return
    if not _same_origin(scope):
        await send_refusal(scope, send, 403, "origin_not_allowed", "Pages of this origin may not connect.")
        return
    accepted: Any = {"type": "websocket.accept", "subprotocol": agreed if offered else None, "headers": []}
    await send(accepted)
    gateway: Gateway = scope["litestar_app"].state.gateway
    hand_over = (scope.get("extensions") or {}).get(EXTENSION)
    if hand_over is not None:
        hand_over(gateway.open, agreed)
    else:
        outlet = AsgiOutlet(send, text=agreed == JSON)  # type: ignore[arg-type] # Litestar narrows what ASGI takes
        await outlet.serve(gateway.open(outlet, agreed), receive)


def _same_origin(scope: Scope) -> bool:
    """Browsers name the page's origin; other clients name none."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return True
    allowed = {each.strip() for each in settings.cors_origins.split(",") if each.strip()}
    return origin in allowed or origin.partition("://")[2] == headers.get(b"host", b"").decode("latin-1")


routes = [live]
