"""Self-contained HTML pages from the templates of workflow/report."""

import base64
import os
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parents[1] / "report"


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
    """Fill a template and write the page; names from data are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": data_uri, "number": number, "percent": percent, "p_value": p_value}
    text = environment.get_template(template).render(**content)
    page = Path(page)
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_name(f".{page.name}.partial")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)
