"""A like with FastAPI and SQLAlchemy's async ORM: select, select, insert, update, commit, refresh.

Arguments: the port, the database, and the key of its tokens in base64. Nothing is told to anybody here.
"""

import base64
import sys
from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KEY = base64.b64decode(sys.argv[3])
sessions = async_sessionmaker(
    create_async_engine(sys.argv[2].replace("postgresql://", "postgresql+asyncpg://"), pool_size=16, max_overflow=0),
    expire_on_commit=False,
)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    likes: Mapped[int] = mapped_column(default=0)


class Like(Base):
    __tablename__ = "likes"
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)


async def session() -> AsyncGenerator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def viewer(authorization: Annotated[str, Header()]) -> UUID:
    try:
        return UUID(jwt.decode(authorization.removeprefix("Bearer "), KEY, ["HS256"])["sub"])
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


@app.put("/api/v1/posts/{post_id}/like")
async def like(
    post_id: UUID,
    user_id: Annotated[UUID, Depends(viewer)],
    db: Annotated[AsyncSession, Depends(session)],
) -> dict[str, object]:
    post = (await db.execute(select(Post).where(Post.id == post_id))).scalar_one_or_none()
    if post is None:
        raise HTTPException(404)
    found = await db.execute(select(Like).where(Like.post_id == post_id, Like.user_id == user_id))
    if found.scalar_one_or_none() is None:
        db.add(Like(post_id=post_id, user_id=user_id))
        post.likes = Post.likes + 1  # type: ignore[assignment] # in SQL, so that none is lost
        try:
            await db.commit()
        except IntegrityError:
            await db.rollback()
        await db.refresh(post)
    return {"likes": post.likes, "liked": True}


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        backlog=4096,
        timeout_keep_alive=75,  # between its turns
    )
