"""Renders pages from the templates, styles and scripts beside this file."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

_SCRIPTS = ("charts.js", "tables.js", "states.js", "vectors.js", "page.js")


def render(template: str, page: dict[str, Any], **content: Any) -> str:
    """Return a complete page that loads nothing: styles, scripts and Plotly are inside.

    ``page`` is JSON for the scripts: maps (colour tables), sections (their number), threshold,
    truth (its colour). Everything in ``content`` is escaped.
    """
    found = _environment().get_template(template)
    return found.render(
        page={"sections": 0, "maps": {}} | page,
        css=Markup(_asset("page.css")),
        script=Markup("".join(map(_asset, _SCRIPTS))),
        plotly=Markup(get_plotlyjs()),
        **content,
    )


def json_text(data: Any) -> Markup:
    """Return JSON that cannot end the script element that holds it."""
    text = json.dumps(data, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


@cache
def _environment() -> Environment:
    loader = PackageLoader("sirve.report", "pages")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["json"] = json_text
    return environment
