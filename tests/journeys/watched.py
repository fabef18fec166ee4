"""A leaderboard as a member's client holds it."""

from loadtests.board import Board, answered, applied
from loadtests.listeners import Copy, Frame
from tests.journeys.community import Member


class Watched(Copy):
    """A board, and every version of it that was held."""

    def __init__(self, member: Member, name: str) -> None:
        super().__init__(f"leaderboard:{name}", self._fetch, self._apply)
        self.name = name
        self.board: Board | None = None
        self.held: list[Board] = []
        self.between = 0  # changes that did not apply
        self._member = member

    async def _fetch(self) -> str | None:
        self.board, cursor = await read(self._member, self.name)
        self.held.append(self.board)
        return cursor

    def _apply(self, frame: Frame) -> None:
        assert self.board is not None
        after = applied(self.board, frame["data"])
        if after is None:
            self.between += 1
            self.refresh()
        else:
            self.board = after
            self.held.append(after)


async def read(member: Member, name: str) -> tuple[Board, str]:
    """What HTTP says, and the position that it is from."""
    answer = await member.ask("GET", f"/leaderboards/{name}?limit=100")
    assert answer.is_success, answer.text
    return answered(answer.json()), answer.headers["Potluck-Cursor"]
