"""The OpenAPI document and its page, which loads nothing from anywhere else."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.datastructures import ResponseHeader
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.router import Router

from server.errors import CODE_OF_STATUS

OURS: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

ALWAYS: Final = (400, 401, 403, 404, 409, 413, 415, 429, 503)
"""Errors that any operation may answer with."""
ERROR: Final = Reference("#/components/schemas/ErrorAnswer")
ERROR_ANSWER: Final = Schema(
    type=OpenAPIType.OBJECT,
    title="ErrorAnswer",
    required=["error"],
    additional_properties=False,
    properties={
        "error": Schema(
            type=OpenAPIType.OBJECT,
            required=["code", "message", "details"],
            additional_properties=False,
            properties={
                "code": Schema(type=OpenAPIType.STRING, description="For programs, in snake_case."),
                "message": Schema(type=OpenAPIType.STRING, description="For people: a sentence."),
                "details": Schema(
                    type=OpenAPIType.OBJECT,
                    additional_properties=Schema(type=OpenAPIType.STRING),
                    description="The fields concerned, and what is wrong with each.",
                ),
            },
        )
    },
)


class File(OpenAPIRenderPlugin):
    """A file of the page, served as it is."""

    def __init__(self, path: str, file: Path, media_type: str) -> None:
        super().__init__(path=path, media_type=media_type)  # pyright: ignore[reportArgumentType] - any string will do
        self._file = file

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 - theirs
        """The file's bytes."""
        return _bytes_of(self._file)


@cache
def _bytes_of(file: Path) -> bytes:
    return file.read_bytes()


def _swagger(name: str) -> Path:
    # Not imported: that would bring a template engine along.
    package = find_spec("swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("swagger-ui-py is not installed")
    return Path(package.origin).parent / "static" / name


async def _tell_in_our_shape(response: Response[Any]) -> Response[Any]:
    if response.status_code == 404:  # Litestar would answer with a page of its own
        raise NotFoundException
    return response


def config() -> OpenAPIConfig:
    """For Litestar."""
    return OpenAPIConfig(
        title="Potluck",
        version="1",
        description="Errors have one shape; lists that grow are paged by cursor; unknown fields are refused; "
        "`POST` accepts `Idempotency-Key`; every answer carries `X-Request-Id`.",
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        security=[{"bearer": []}],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            response_headers=[ResponseHeader(name="Content-Security-Policy", value=POLICY)],
            after_request=_tell_in_our_shape,
        ),
        render_plugins=[
            File("/", OURS / "schema.html", "text/html"),
            File("/schema.js", OURS / "schema.js", "text/javascript"),
            File("/swagger-ui-bundle.js", _swagger("swagger-ui-bundle.js"), "text/javascript"),
            File("/swagger-ui.css", _swagger("swagger-ui.css"), "text/css"),
            JsonRenderPlugin(),
        ],
    )


def complete(app: Litestar) -> None:
    """Write into the document what Litestar cannot know: our errors, and that bodies refuse unknown fields."""
    document = app.openapi_schema
    schemas = document.components.schemas
    for operation in _operations(document):
        operation.responses = {str(status): _error(status) for status in ALWAYS} | {
            status: response for status, response in (operation.responses or {}).items() if int(status) < 400
        }
        if isinstance(operation.request_body, RequestBody):
            for content in operation.request_body.content.values():
                _refuse_unknown(content.schema, schemas)
    schemas["ErrorAnswer"] = ERROR_ANSWER


def _operations(document: OpenAPI) -> list[Operation]:
    items = (document.paths or {}).values()
    each = [getattr(item, method) for item in items for method in ("get", "put", "post", "delete", "patch")]
    return [operation for operation in each if operation is not None]


def _error(status: int) -> OpenAPIResponse:
    message = CODE_OF_STATUS[status][1] if status in CODE_OF_STATUS else "Error."
    return OpenAPIResponse(message, content={"application/json": OpenAPIMediaType(schema=ERROR)})


def _refuse_unknown(schema: Schema | Reference | None, schemas: dict[str, Schema]) -> None:
    if isinstance(schema, Reference):
        schema = schemas[schema.ref.rsplit("/", 1)[-1]]
    if schema is None:
        return
    if schema.properties is not None and schema.additional_properties is None:
        schema.additional_properties = False
        for inner in schema.properties.values():
            _refuse_unknown(inner, schemas)
    for inner in [*(schema.one_of or []), *(schema.any_of or [])]:
        _refuse_unknown(inner, schemas)
    if isinstance(schema.items, Schema | Reference):
        _refuse_unknown(schema.items, schemas)
