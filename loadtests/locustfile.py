"""The HTTP part of a fan's session for those who live in Locust; sockets and the account of frames are not in it.

`pip install locust` (it is no requirement of ours), start a server with POTLUCK_RATE_LIMITS=off, then
`locust -f loadtests/locustfile.py --host http://127.0.0.1:8000`.
"""

# Locust is not installed here, so nothing is known of its types.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUntypedFunctionDecorator=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import random
from uuid import uuid4

from locust import HttpUser, between, task

PASSWORD = "correct horse battery"  # noqa: S105 - of people who live for a minute
POSTS: list[str] = []
"""The newest posts of everybody in this process."""


class Fan(HttpUser):
    """Signs up, posts now and then, likes and comments on what others posted."""

    wait_time = between(1, 5)

    def on_start(self) -> None:
        name = f"l{uuid4().hex[:16]}"
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        signed_up = self.client.post("/api/v1/auth/register", json=body).json()
        self.client.headers["Authorization"] = f"Bearer {signed_up['access_token']}"

    @task(1)
    def publish(self) -> None:
        post = self.client.post("/api/v1/posts", json={"content": "Soup of the day"}).json()
        POSTS.append(post["id"])
        del POSTS[:-100]

    @task(8)
    def like(self) -> None:
        if POSTS:
            self.client.put(f"/api/v1/posts/{random.choice(POSTS)}/like", name="/api/v1/posts/{id}/like")

    @task(2)
    def comment(self) -> None:
        if POSTS:
            path, name = f"/api/v1/posts/{random.choice(POSTS)}/comments", "/api/v1/posts/{id}/comments"
            self.client.post(path, json={"content": "More salt!"}, name=name)

    @task(4)
    def look(self) -> None:
        self.client.get("/api/v1/notifications")
