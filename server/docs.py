"""`python -m server.docs` writes into docs/operations.md what the code knows better: the settings."""

import re
from pathlib import Path
from typing import Final

from domain.settings import documentation

PAGE: Final = Path(__file__).parent.parent / "docs" / "operations.md"
_TABLE: Final = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def completed(page: str) -> str:
    """The page with its table as it should be now."""
    rows = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in documentation()
    ]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    return _TABLE.sub(lambda found: f"{found[1]}{table}\n{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(completed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
