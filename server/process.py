"""One server process under the supervisor: uvicorn on the shared socket, drained before it stops."""

import asyncio
import os
import socket

import uvicorn
import uvloop

from domain.settings import settings
from realtime.websocket import FrameProtocol
from server.app import create_app
from server.garbage import look_less_often
from server.http import HttpProtocol
from server.observe import configure_logging
from server.ready import tell_ready


class Server(uvicorn.Server):
    """Says when it is ready, and lets clients leave before it closes their sockets."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            tell_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await app.state.gateway.drain()
        await super().shutdown(sockets)


app = create_app()


def main() -> None:
    """Serve until SIGTERM."""
    configure_logging()
    config = uvicorn.Config(
        app,
        ws=FrameProtocol,
        http=HttpProtocol,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        ws_max_size=settings.message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        timeout_graceful_shutdown=max(1, int(settings.drain_s)),
        timeout_keep_alive=75,
        backlog=2048,
    )
    listener = socket.socket(fileno=int(os.environ["POTLUCK_LISTEN_FD"]))
    look_less_often()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config).serve([listener]))


if __name__ == "__main__":
    main()
