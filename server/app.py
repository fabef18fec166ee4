"""The application: every route module, listed, and what lives as long as the process does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from litestar import Litestar

from domain import db, positions
from domain.settings import settings
from realtime import streams
from realtime.gateway import Gateway
from server import auth, errors, openapi
from server.idempotency import IdempotencyKeys
from server.incoming import StrictRequest
from server.limits import Limiter, RateLimits
from server.observe import Edge
from server.routes import (
    accounts,
    activity,
    comments,
    dishes,
    experts,
    graph,
    leaderboards,
    mentions,
    notifications,
    places,
    posts,
    progression,
    rankings,
    reactions,
    realtime,
    reviews,
    service,
    sessions,
    trending,
    web,
)

ROUTES = [
    *accounts.routes,
    *sessions.routes,
    *graph.routes,
    *mentions.routes,
    *posts.routes,
    *comments.routes,
    *reactions.routes,
    *notifications.routes,
    *places.routes,
    *dishes.routes,
    *progression.routes,
    *rankings.routes,
    *reviews.routes,
    *experts.routes,
    *trending.routes,
    *leaderboards.routes,
    *activity.routes,
    *realtime.routes,
    *service.routes,
    *web.routes,
]


def create_app() -> Litestar:
    """The application, for any ASGI server; `uvicorn server.app:create_app --factory` will do."""
    app = Litestar(
        route_handlers=ROUTES,
        dependencies=auth.dependencies,
        before_request=auth.signed_in,
        lifespan=[database, redis, delivery],
        request_class=StrictRequest,
        request_max_body_size=settings.max_body_bytes,
        exception_handlers={Exception: errors.handle},
        openapi_config=openapi.config(),
        logging_config=None,
        debug=False,
    )
    openapi.complete(app)
    # Litestar's own middleware would not see what no route answers. From the inside out:
    app.asgi_handler = IdempotencyKeys(app.asgi_handler)
    if settings.rate_limits != "off":
        app.asgi_handler = RateLimits(app.asgi_handler, app.state)
    app.asgi_handler = Edge(app.asgi_handler, app.state)
    return app


@asynccontextmanager
async def database(_: Litestar) -> AsyncGenerator[None]:
    """The pool, open as long as the process runs."""
    await db.open_pool()
    try:
        yield
    finally:
        await db.close_pool()


@asynccontextmanager
async def redis(app: Litestar) -> AsyncGenerator[None]:
    """The client for commands, as `app.state.redis`."""
    client = streams.writer()
    app.state.redis = client
    positions.use(client)
    if settings.rate_limits != "off":
        app.state.limiter = Limiter(client)
    try:
        yield
    finally:
        positions.use(None)
        await client.aclose()


@asynccontextmanager
async def delivery(app: Litestar) -> AsyncGenerator[None]:
    """News for the sockets of this process, as `app.state.gateway`; and which sessions have ended."""
    unlisten = auth.revocations.listen()
    app.state.gateway = gateway = Gateway(auth.revocations.__contains__, auth.revocations.add, auth.revocations.load)
    try:
        await gateway.start()
        await auth.revocations.load()  # after both have begun to hear of them, so that none falls between
        yield
    finally:
        await gateway.stop()
        unlisten()
