"""What a load test leaves: JSON for machines, and one HTML page that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from server.binaries import CannotStart

PAGE = Path(__file__).with_name("report.html")
HEADLINE = (
    *("lost", "duplicated", "out_of_order", "late", "wrong", "unexpected", "missed", "not_played", "resets", "errors"),
    *("acts", "acts_per_s", "frames", "frames_per_s", "frames_due"),
    *("p50_act_to_frame_ms", "p99_act_to_frame_ms", "p50_like_to_state_ms", "p99_like_to_state_ms"),
    *("p50_act_ms", "p99_act_ms", "p99_generator_lag_ms"),
)


def headline(result: Mapping[str, Any], written: Path) -> dict[str, Any]:
    """The one line that is printed."""
    figures = result["figures"]
    return {
        **{name: result[name] for name in ("scenario", "passed", "interrupted", "users", "seconds")},
        **{name: figures[name] for name in HEADLINE if name in figures},
        "generator_cpu": result["generator_cpu"],
        "server_cpu": result["server_cpu"],
        "report": str(written),
    }


def folder(out: Path) -> Path:
    """Make it, before anything is played. Raises CannotStart."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"cannot make {out} for the report: {error.strerror}") from None
    return out


def write(result: Mapping[str, Any], out: Path) -> Path:
    """Both files into a folder, named after the scenario; the page's path. Raises CannotStart."""
    text = msgspec.json.encode(result).decode()
    try:
        (out / f"{result['scenario']}.json").write_text(text, encoding="utf-8")
        page = out / f"{result['scenario']}.html"
        page.write_text(page_of(text), encoding="utf-8")
    except OSError as error:
        raise CannotStart(f"cannot write the report to {out}: {error.strerror}") from None
    return page


def page_of(text: str) -> str:
    """The page with these figures in it; nothing in them can end the script element."""
    return PAGE.read_text(encoding="utf-8").replace("/*FIGURES*/null", text.replace("<", "\\u003c"))
