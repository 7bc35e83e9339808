"""Self-contained HTML pages and Markdown files from the templates of workflow/report."""

import base64
from collections import UserString
from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2
from jinja2.utils import markupsafe

from qnet.labels import RESEARCH_USE, SYNTHETIC
from recon.files.atomic import atomic
from workflow.lib.home import HOME
from workflow.lib.words import heading, number, p_value, percent

TEMPLATES = HOME / "workflow" / "report"
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\", "`": "\\`", "|": "\\|", "\n": " ", "\r": " "}
)


def data_uri(picture: str | Path | bytes) -> str:
    """A PNG file (or its bytes) as text that an <img> can show."""
    content = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return "data:image/png;base64," + base64.b64encode(content).decode()


def script(name: str) -> markupsafe.Markup:
    """A file of this project with JavaScript as an element of a page."""
    return markupsafe.Markup(f"<script>\n{(TEMPLATES / name).read_text(encoding='utf-8')}</script>")


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
    """Templates of workflow/report, and their filters."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    strict = {"undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=loader, **strict, **options)
    environment.globals |= {"SYNTHETIC": SYNTHETIC, "RESEARCH_USE": RESEARCH_USE, "script": script}
    environment.filters |= {"data_uri": data_uri, "heading": heading}
    environment.filters |= {"number": number, "percent": percent, "p_value": p_value}
    return environment
