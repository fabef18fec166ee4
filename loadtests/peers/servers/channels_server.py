"""Litestar's ChannelsPlugin, in memory, under uvicorn, as its manual has it. Arguments: the port."""

import sys

import uvicorn
from litestar import Litestar, Request, WebSocket, post, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

channels = ChannelsPlugin(backend=MemoryChannelsBackend(), arbitrary_channels_allowed=True)


@websocket("/ws")
async def listen(socket: WebSocket) -> None:
    await socket.accept()
    names = socket.query_params["topics"].split(",")
    async with channels.start_subscription(names) as subscriber, subscriber.run_in_background(socket.send_text):
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            return


@post("/publish/{topic:str}")
async def publish(request: Request, topic: FromPath[str]) -> None:
    """Each line of the body is a message."""
    for message in (await request.body()).decode().split("\n"):
        channels.publish(message, topic)


if __name__ == "__main__":
    uvicorn.run(
        Litestar([listen, publish], plugins=[channels]),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        backlog=4096,
    )
