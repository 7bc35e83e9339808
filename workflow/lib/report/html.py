"""Self-contained HTML pages and Markdown files from the templates of workflow/report."""

import base64
from collections import UserString
from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2

from recon.files.atomic import atomic
from workflow.lib.home import HOME

TEMPLATES = HOME / "workflow" / "report"
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\", "`": "\\`", "|": "\\|", "\n": " ", "\r": " "}
)


def data_uri(picture: str | Path | bytes) -> str:
    """A PNG file (or its bytes) as text that an <img> can show."""
    content = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return "data:image/png;base64," + base64.b64encode(content).decode()


def number(value: object, digits: int = 3) -> str:
    """Numbers to so many significant digits, n/a where there is none, lists and mappings as plain text."""
    if value is None or value != value:
        return "n/a"
    if isinstance(value, float):
        return f"{value:.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {number(item, digits)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number(item, digits) for item in value)
    return str(value)


def percent(value: float, digits: int = 1) -> str:
    """A fraction as a percentage without its sign; — where there is none."""
    return "—" if value is None or value != value else f"{100 * value:.{digits}f}"


def p_value(p: float) -> str:
    """A p-value with as many digits as carry meaning; — where there is none."""
    if p is None or p != p:
        return "—"
    return f"{p:.3f}" if p >= 1e-3 else f"{p:.1e}"


def render(template: str, page: str | Path, **content: object) -> None:
    """Fill a template and write the page."""
    with atomic(page) as part:
        part.write_text(filled(template, **content), encoding="utf-8")


def filled(template: str, **content: object) -> str:
    """The text of an HTML page; names from data are escaped."""
    return _environment(autoescape=True).get_template(template).render(**content)


def filled_markdown(template: str, filters: Mapping[str, Callable] | None = None, **content: object) -> str:
    """The text of a Markdown file; in names from data no HTML, link, code, line or cell of a table begins.

    Parameters
    ----------
    template : its file name
    filters : further filters by name
    content : what the template asks for
    """
    environment = _environment(autoescape=False, finalize=_in_markdown)
    environment.filters |= filters or {}
    return environment.get_template(template).render(**content)


def markdown_fragment(source: str, filters: Mapping[str, Callable], **content: object) -> UserString:
    """A fragment of a template, filled, on one line; no `str`, so that what shows it does not escape it again."""
    environment = _environment(autoescape=False, finalize=_in_markdown)
    environment.filters |= filters
    return UserString(" ".join(environment.from_string(source).render(**content).split()))


def _in_markdown(value: object) -> object:
    """A value as Markdown shows it unchanged; GFM 2.4 and 6.6."""
    return value.translate(MARKDOWN).replace("](", "]\\(") if isinstance(value, str) else value


def _environment(**options: object) -> jinja2.Environment:
    """Templates of workflow/report, and the filters of this module."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    strict = {"undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=loader, **strict, **options)
    environment.filters |= {"data_uri": data_uri, "number": number, "percent": percent, "p_value": p_value}
    return environment
