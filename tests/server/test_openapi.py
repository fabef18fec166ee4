"""The OpenAPI document, its page, and what schemathesis makes of both."""

import re
from typing import Any

import httpx
import pytest


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Any:
    """The document as clients get it."""
    return (await client.get("/schema/openapi.json")).json()


def operations_of(document: Any) -> list[Any]:
    return [operation for item in document["paths"].values() for operation in item.values()]


async def test_the_page_loads_nothing_from_outside(client: httpx.AsyncClient) -> None:
    page = await client.get("/schema")

    found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.headers["content-type"].startswith("text/html")
    assert {each.split("/")[1] for each in found if not each.startswith("data:")} == {"schema"}
    assert "script-src 'self';" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "schema.js", "openapi.json"])
async def test_what_the_page_loads_is_served_by_us(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/schema/{name}")

    assert answer.status_code == 200
    assert len(answer.content) > 100


async def test_nothing_else_is_served_beside_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/schema/swagger-editor-bundle.js")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_every_operation_documents_its_errors_in_our_shape(document: Any) -> None:
    schemas = [
        response["content"]["application/json"]["schema"]
        for operation in operations_of(document)
        for status, response in operation["responses"].items()
        if int(status) >= 400
    ]

    assert schemas
    assert all(schema == {"$ref": "#/components/schemas/ErrorAnswer"} for schema in schemas)


def test_every_body_refuses_unknown_fields(document: Any) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        for operation in operations_of(document)
        if "requestBody" in operation
    ]

    assert bodies
    assert all(document["components"]["schemas"][body]["additionalProperties"] is False for body in bodies)


def test_operations_have_names_of_their_own_and_a_sentence(document: Any) -> None:
    operations = operations_of(document)

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["description"] for operation in operations)


def test_the_service_routes_are_no_part_of_the_interface(document: Any) -> None:
    assert all(path.startswith("/api/v1/") for path in document["paths"])
