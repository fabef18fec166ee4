"""What a client takes along to resume anywhere: who it is, what it may listen to, and up to where that was judged."""

import base64
import binascii
import hashlib
import hmac

import msgspec

from domain.accounts.rules import KEYS, Viewer, signing_key

LARGEST = 24_000  # characters; a client that follows and blocks more than fits resumes with the usual checks


class Ticket(msgspec.Struct, array_like=True, frozen=True):
    """`topics` maps a topic to its owner; `hidden` are users whose acts are withheld, null when nobody asked yet."""

    user_id: str
    session_id: str
    position: str
    topics: dict[str, str]
    hidden: list[str] | None


_decode = msgspec.msgpack.Decoder(Ticket).decode
_encode = msgspec.msgpack.Encoder().encode


def issue(ticket: Ticket) -> str | None:
    """The ticket as an opaque text; None when it would be too large."""
    kid, payload = signing_key(), _encode(ticket)
    text = f"{kid}.{_text(payload)}.{_text(_signature(kid, payload))}"
    return text if len(text) <= LARGEST else None


def read(text: str, viewer: Viewer) -> Ticket | None:
    """What it says; None unless we signed it for this user and session."""
    kid, _, rest = text.partition(".")
    body, _, signature = rest.partition(".")
    try:
        payload = base64.urlsafe_b64decode(body + "==")
        signed = base64.urlsafe_b64decode(signature + "==")
        if kid not in KEYS or not hmac.compare_digest(_signature(kid, payload), signed):
            return None
        ticket = _decode(payload)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return None
    mine = (ticket.user_id, ticket.session_id) == (str(viewer.id), str(viewer.session_id))
    return ticket if mine else None


def _signature(kid: str, payload: bytes) -> bytes:
    return hmac.digest(KEYS[kid], b"ticket\0" + payload, hashlib.sha256)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
