"""Signing up, in and out, staying signed in, and changing the password."""

from datetime import datetime, timedelta

import asyncpg
import msgspec

from domain import passwords, topics
from domain.accounts import queries as accounts
from domain.accounts.events import Reason, SessionRevoked, UserRegistered
from domain.accounts.rules import DisplayName, Username, Viewer, access_token, signing_key
from domain.clock import now
from domain.db import transaction
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from domain.eventlog import emit, emit_all
from domain.ids import SessionID, UserID, new_id
from domain.sessions import queries, rules
from domain.sessions.queries import Credentials, HandedIn, SignedIn, Tokens
from domain.sessions.rules import Email, Given, Password
from domain.settings import settings

UNIQUE = {
    "users_username": {"username": "This username is taken."},
    "credentials_email": {"email": "There is an account with this e-mail address."},
}


class Device(msgspec.Struct, frozen=True):
    """What a session is opened from, as its owner will recognise it."""

    user_agent: str | None = None
    ip: str | None = None


class Registration(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An account to be."""

    username: Username
    email: Email
    password: Password
    display_name: DisplayName | None = None


class Login(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An e-mail address or a username, and the password."""

    email: Given | None = None
    username: Given | None = None
    password: Given


class RefreshToken(msgspec.Struct, forbid_unknown_fields=True):
    """The token to be used up."""

    refresh_token: Given


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """The password as it is and as it shall be."""

    current_password: Given
    new_password: Password


class Taken(Conflict):
    """Somebody has this username or e-mail address."""


class NoName(Invalid):
    """Give either an e-mail address or a username."""


class WrongCredentials(Unauthorized):
    """The name or the password is wrong."""


class NotActive(Forbidden):
    """This account is not active."""


class RefreshTokenInvalid(Unauthorized):
    """This refresh token is unknown, has expired, or its session has ended: sign in again."""


class RefreshTokenReused(Unauthorized):
    """This refresh token was used before, so its session has ended: sign in again."""


class SessionNotFound(NotFound):
    """You have no such session."""


class NotYourAccount(Forbidden):
    """You may change only your own account."""


class WrongPassword(Invalid):
    """The current password is wrong."""


async def register(device: Device, new: Registration) -> SignedIn:
    """Make an account and sign it in. Raises Taken, PasswordsBusy."""
    password_hash = await passwords.hashed(new.password)
    try:
        async with transaction():
            user_id, time = UserID(new_id()), now()
            await accounts.add_user(user_id, new.username, new.display_name, time)
            await queries.add_credentials(user_id, new.email, password_hash, time)
            signed_in = await _open_session(device, Credentials(user_id, password_hash, time, is_active=True), time)
            await emit(UserRegistered(user_id=user_id), actor=user_id)
    except asyncpg.UniqueViolationError as violation:
        raise Taken(UNIQUE[violation.constraint_name or ""]) from None
    return signed_in


async def login(device: Device, login: Login) -> SignedIn:
    """Sign in. Raises NoName, WrongCredentials, NotActive, PasswordsBusy.

    No name and a wrong password take the same time: who has no account is nobody's business.
    """
    # Not in a transaction: a connection must not wait for a thread that hashes.
    known = await _named(login)
    verdict = await passwords.verified(known and known.password_hash, login.password)
    if known is None or not verdict.right:
        raise WrongCredentials
    if not known.is_active:
        raise NotActive
    async with transaction():
        if verdict.better_hash is not None:
            await queries.improve_hash(known, verdict.better_hash)
        return await _open_session(device, known, now())


async def _named(login: Login) -> Credentials | None:
    if login.email is not None and login.username is None:
        return await queries.credentials_by_email(login.email)
    if login.username is not None and login.email is None:
        return await queries.credentials_by_username(login.username)
    raise NoName({"email": "Give this or a username.", "username": "Give this or an e-mail address."})


async def _open_session(device: Device, checked: Credentials, time: datetime) -> SignedIn:
    session_id, token = SessionID(new_id()), rules.new_refresh_token()
    expires_at = time + timedelta(seconds=settings.refresh_token_s)
    role = await queries.open_session(
        checked,
        session_id,
        user_agent=device.user_agent,
        ip=device.ip,
        time=time,
        expires_at=expires_at,
        token_hash=rules.token_hash(token),
    )
    if role is None:
        raise WrongCredentials
    viewer = Viewer(checked.user_id, session_id, role, _end_of_access(time))
    return SignedIn(
        user=await accounts.read_user(viewer, viewer.id),
        access_token=access_token(viewer, signing_key()),
        refresh_token=token,
        expires_in=settings.access_token_s,
    )


async def refresh(given: RefreshToken) -> Tokens:
    """Use up a refresh token. Raises RefreshTokenInvalid, NotActive, RefreshTokenReused: then the session has ended."""
    token = given.refresh_token
    async with transaction():
        handed_in = await queries.lock_token(rules.token_hash(token))
        if handed_in is None:
            raise RefreshTokenInvalid
        time = now()
        use = rules.judge_use(handed_in.used_at, handed_in.expires_at, handed_in.revoked_at, time)
        if use == "reused":
            await _revoke(handed_in.user_id, handed_in.session_id, "token_reused", time)
        elif use == "dead":
            raise RefreshTokenInvalid
        elif not handed_in.is_active:
            raise NotActive
        elif use == "first":
            kid = signing_key()
            expires_at = time + timedelta(seconds=settings.refresh_token_s)
            successor_hash = rules.token_hash(rules.successor(token, kid))
            await queries.replace_token(rules.token_hash(token), successor_hash, time, expires_at)
            handed_in = msgspec.structs.replace(handed_in, used_at=time, replaced_by=successor_hash)
    if use == "reused":
        raise RefreshTokenReused  # only now: its session's end had to be committed
    return _tokens(token, handed_in)


def _tokens(token: str, used: HandedIn) -> Tokens:
    """The answer to a used token: a function of the token and what is stored of it, so that it can be given again."""
    kid = used.replaced_by and rules.made_with(token, used.replaced_by)
    if not kid or used.used_at is None:  # our key was exchanged since
        raise RefreshTokenInvalid
    viewer = Viewer(used.user_id, used.session_id, used.role, _end_of_access(used.used_at))
    return Tokens(
        access_token=access_token(viewer, kid),
        refresh_token=rules.successor(token, kid),
        expires_in=settings.access_token_s,
    )


def _end_of_access(time: datetime) -> int:
    return int(time.timestamp()) + settings.access_token_s


async def logout(given: RefreshToken) -> None:
    """End the token's session. Nobody learns whether there was one."""
    async with transaction():
        session = await queries.owner_of_token(rules.token_hash(given.refresh_token))
        if session is not None:
            session_id, user_id = session
            await _revoke(user_id, session_id, "signed_out", now())


async def end_session(viewer: Viewer, session_id: SessionID) -> None:
    """End one of one's own sessions, the current one too. Raises SessionNotFound."""
    async with transaction():
        if await queries.owner_of_session(session_id) != viewer.id:
            raise SessionNotFound
        await _revoke(viewer.id, session_id, "ended", now())


async def _revoke(user_id: UserID, session_id: SessionID, reason: Reason, time: datetime) -> None:
    if await queries.revoke_session(session_id, time):
        await emit(*_revoked(user_id, session_id, reason), actor=user_id)


def _revoked(user_id: UserID, session_id: SessionID, reason: Reason) -> tuple[SessionRevoked, str]:
    return SessionRevoked(session_id=session_id, user_id=user_id, reason=reason), topics.session(session_id)


async def change_password(viewer: Viewer, user_id: UserID, change: PasswordChange) -> None:
    """Set one's own password and end all one's other sessions. Raises NotYourAccount, WrongPassword, PasswordsBusy."""
    if user_id != viewer.id:
        raise NotYourAccount
    known = await queries.credentials(user_id)
    verdict = await passwords.verified(known and known.password_hash, change.current_password)
    if known is None or not verdict.right:
        raise WrongPassword({"current_password": "This is not the current password."})
    new_hash = await passwords.hashed(change.new_password)
    async with transaction():
        time = now()
        if not await queries.change_password(known, new_hash, time):
            raise WrongPassword({"current_password": "The password was changed at this moment."})
        others = await queries.revoke_others(user_id, viewer.session_id, time)
        await emit_all(_revoked(user_id, session_id, "password_changed") for session_id in others)


async def end_all_sessions(viewer: Viewer) -> None:
    """End all sessions of who leaves. A part of departures."""
    ended = await queries.delete_sessions(viewer.id)
    await emit_all(_revoked(viewer.id, session_id, "account_deleted") for session_id in ended)
