"""The types of potluck.js, tried on the examples of docs/clients.md where TypeScript is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.routes.web import FILES

DOCS = FILES.parents[1] / "docs" / "clients.md"
PRELUDE = """
declare const me: { id: string }, id: string, headers: Record<string, string>;
declare function renew(): Promise<string>;
declare function stored(): string | null;
declare const show: (status: string) => void, draw: (value: any) => void, toast: (what: object) => void;
declare const reload: () => void, shut: (code: string) => void;
"""


def test_the_examples_of_the_docs_are_right_by_the_types(tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("the types of potluck.js ARE NOT TESTED: TypeScript (`tsc`) is not installed")
    examples = re.findall(r"```js\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    head, *others = (each.replace("https://potluck.example/static/potluck.js", "./potluck.js") for each in examples)
    written = [
        PRELUDE,
        head.replace("const potluck", "export const potluck"),
        *(f"{{\nconst close: (code: string) => void = shut;\n{each}}}" for each in others),
    ]
    (tmp_path / "docs.ts").write_text("\n".join(written), encoding="utf-8")
    shutil.copy(FILES / "potluck.d.ts", tmp_path)

    flags = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    command = [compiler, *flags, "--lib", "es2022,dom", "docs.ts"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert len(examples) == 3
    assert ended.returncode == 0, ended.stdout
