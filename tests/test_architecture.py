"""The house style, as far as a machine can hold it: a forgotten registration is a failing test."""

# Tests look behind the doors.
# pyright: reportPrivateUsage=false

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from piccolo.columns import Serial
from piccolo.conf.apps import AppConfig
from piccolo.table import Table

from domain import db, topics
from domain.eventlog import Event
from domain.events import AnyEvent
from domain.piccolo_app import APP_CONFIG
from domain.settings import documentation
from realtime import access, reference
from server import cli, docs

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "realtime", "domain")
FEATURES = sorted(each.parent.name for each in ROOT.glob("domain/*/__init__.py"))
MODULES = sorted(each for package in PACKAGES for each in ROOT.glob(f"{package}/**/*.py"))
QUESTIONS = {"__init__", "rules", "tables", "queries", "actions", "events"}
EMPTY_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "base",
    "manager",
    "repository",
    "dao",
    "schemas",
    "misc",
}
NOT_FEATURES = {"service", "realtime", "web"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_only_files_that_answer_its_questions(feature: str) -> None:
    files = {each.stem for each in ROOT.glob(f"domain/{feature}/*") if each.name != "__pycache__"}

    assert files <= QUESTIONS


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_opens_with_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_is_under_400_lines(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize("module", [each for each in MODULES if each.name != "service.py"], ids=named)
def test_a_module_is_named_after_something(module: Path) -> None:
    assert not set(module.relative_to(ROOT).with_suffix("").parts) & (EMPTY_NAMES | {"service"})


def test_routes_are_named_after_features() -> None:
    routes = {each.stem for each in ROOT.glob("server/routes/*.py")} - {"__init__"}

    assert routes - NOT_FEATURES <= set(FEATURES)


def test_every_route_module_is_listed_in_the_application() -> None:
    listed = set(re.findall(r"\*(\w+)\.routes", (ROOT / "server/app.py").read_text(encoding="utf-8")))

    assert listed == {each.stem for each in ROOT.glob("server/routes/*.py")} - {"__init__"}


def test_tests_are_named_after_what_they_test() -> None:
    tests = {(each.parent.name, each.stem.removeprefix("test_")) for each in ROOT.glob("tests/domain/test_*.py")}
    known = {*FEATURES, *(each.stem for each in ROOT.glob("domain/*.py"))}

    assert {name for _, name in tests} <= known


def all_events(of: type[Event] = Event) -> set[type[Event]]:
    found = {each for each in of.__subclasses__() if each.__module__.startswith("domain.")}
    return found.union(*(all_events(each) for each in found))


def test_every_event_is_in_the_union_of_all() -> None:
    for feature in FEATURES:
        if (ROOT / f"domain/{feature}/events.py").exists():
            importlib.import_module(f"domain.{feature}.events")

    assert all_events() == set(AnyEvent.__args__)


def test_every_event_has_a_type_of_its_own() -> None:
    types = [each.type for each in AnyEvent.__args__]

    assert len(set(types)) == len(types)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+", each) for each in types)


def test_every_topic_kind_has_an_answer_to_who_may_listen() -> None:
    source = ast.parse((ROOT / "domain/topics.py").read_text(encoding="utf-8"))
    makers = [each for each in source.body if isinstance(each, ast.FunctionDef) and each.name != "parse"]
    made = {getattr(topics, each.name)(*[_ID for _ in each.args.args]) for each in makers}

    assert {name.partition(":")[0] for name in made} <= access.KINDS.keys() | access.OWN | access.INTERNAL


def test_the_page_of_the_wire_names_every_topic_that_clients_may_listen_to() -> None:
    kinds = {topic.partition(":")[0] for topic in reference.LISTENERS}
    heard = {kind for event in AnyEvent.__args__ for kind in event.heard_on}

    assert kinds == access.KINDS.keys() | access.OWN == heard


_ID = "019b0000-0000-7000-8000-000000000000"


def tables_of_modules() -> set[type[Table]]:
    found: set[type[Table]] = set()
    for feature in FEATURES:
        if (ROOT / f"domain/{feature}/tables.py").exists():
            module = importlib.import_module(f"domain.{feature}.tables")
            found |= {each for each in vars(module).values() if _is_table(each) and each.__module__ == module.__name__}
    return found


def _is_table(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, Table) and each is not Table


def test_every_table_is_registered() -> None:
    app: AppConfig = APP_CONFIG

    assert set(app.table_classes) == tables_of_modules()


COLUMNS = """
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = ANY($1)
"""


async def test_tables_have_the_columns_that_the_database_has(pool: None) -> None:
    tables = tables_of_modules()
    columns = {(table._meta.tablename, column) for table in tables for column in table._meta.columns}
    # Piccolo adds a Serial to a table whose key is of several columns; the database has none.
    said = {f"{name}.{column._meta.db_column_name}" for name, column in columns if not isinstance(column, Serial)}

    rows = await db.fetch(COLUMNS, [table._meta.tablename for table in tables])

    assert {row[0] for row in rows} == said


def test_only_the_domain_imports_tables() -> None:
    tables = [module for module in imports().modules if module.endswith(".tables")]
    importers = {each for module in tables for each in imports().find_modules_that_directly_import(module)}

    assert {each.split(".")[0] for each in importers} <= {"domain"}


def test_the_domain_knows_no_web_framework() -> None:
    known = {"litestar", "uvicorn", "websockets", "starlette", "httpx"} & imports().modules
    importers = {each for module in known for each in imports().find_modules_that_directly_import(module)}

    assert not {each for each in importers if each.startswith("domain")}


def test_the_server_holds_no_sql() -> None:
    statement = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s", re.MULTILINE)
    routes = [each for each in MODULES if each.parent.name == "routes"]

    assert [named(each) for each in routes if statement.search(each.read_text(encoding="utf-8"))] == []


def test_the_operations_page_tells_the_settings_as_they_are() -> None:
    page = docs.PAGE.read_text(encoding="utf-8")

    assert docs.completed(page) == page
    assert all(name in page for name, _, _ in documentation())


def test_the_operations_page_tells_every_command_and_its_options() -> None:
    page = docs.PAGE.read_text(encoding="utf-8")
    parser = cli._parser()  # pyright: ignore[reportPrivateUsage] - it has no other use
    (commands,) = [each for each in parser._actions if each.choices]  # pyright: ignore[reportPrivateUsage] - argparse
    choices: Any = commands.choices
    options = {
        name: [flag for option in command._actions for flag in option.option_strings if flag.startswith("--")]
        for name, command in choices.items()
    }

    rows = {
        name: next((row for row in page.splitlines() if row.startswith(f"| `./run {name}`")), "") for name in options
    }
    missing = {(name, flag) for name, flags in options.items() for flag in flags if flag not in rows[name]}

    assert missing - {(name, "--help") for name in options} == set()
