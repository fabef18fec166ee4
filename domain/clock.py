"""The one place that knows what time it is, so that tests can say otherwise."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def stamp(time: datetime) -> str:
    """A time as clients get it: `2026-11-20T12:00:00.123456Z`, always with six digits, so that texts sort as times."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
