"""What browsers load: the client of the live contract, its types, and a page that shows it at work."""

import gzip
import hashlib
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

FILES: Final = Path(__file__).parents[1] / "web"
TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".ts": "application/typescript; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class File:
    """A file as it is sent: packed once, named after what is in it."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.packed = gzip.compress(self.content, 9, mtime=0)
        self.tag = hashlib.sha256(self.content).hexdigest()[:20]
        # Every page asks whether it is still the same, so that no deploy mixes two versions.
        self.headers = {
            "Content-Type": TYPES[path.suffix],
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
        }


_files: Final = {each.name: File(each) for each in FILES.iterdir() if each.suffix in TYPES}


@get("/static/{name:str}", include_in_schema=False)
async def read_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """One of them; 304 to who has it already."""
    file = _files.get(name)
    if file is None:
        raise NotFoundException
    packs = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}-gz"' if packs else f'"{file.tag}"'
    headers = {**file.headers, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.content, headers=headers)


routes = [read_file]
