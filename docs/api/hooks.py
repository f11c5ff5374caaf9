"""Hooks that mkdocs calls: pages of the API, pages of the project, links to source files.

The API reference has one page for each folder of ``src/sirve`` and one for ``simulators``, so that
a new module appears in it without any list to keep.
"""

import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import sirve

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT / "src" / "sirve", ROOT / "simulators"]
PROJECT = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")
PUBLIC = re.compile(r"^::: sirve\.(\w+)$", re.MULTILINE)
HEADING = re.compile(r"^## (\w+)$", re.MULTILINE)  # of a name that another page describes
SHIM = "https://unpkg.com/iframe-worker/shim"
log = logging.getLogger("mkdocs.hooks.api")


def _name(path: Path) -> str:
    """Return the import name of a module or a package folder."""
    start = ROOT / "src" if ROOT / "src" in path.parents else ROOT
    return ".".join(path.relative_to(start).with_suffix("").parts)


def _page(folder: Path) -> str:
    """Return the page of a folder: what the package is, then each of its modules."""
    modules = sorted(p for p in folder.rglob("*.py") if p.name != "__init__.py")
    summary = "options: {members: false, show_root_heading: false}"
    parts = [f"# {_name(folder)}", f"::: {_name(folder)}\n    {summary}"]
    parts += [f"::: {_name(path)}\n    options: {{show_root_full_path: true}}" for path in modules]
    return "\n\n".join(parts) + "\n"


def _api() -> dict[str, str]:
    """Return the address and the text of each page of the API reference.

    The commands (``cli``) are left out: ``sirve --help`` describes them.
    """
    sirve, simulators = PACKAGES
    folders = sorted(p for p in sirve.iterdir() if (p / "__init__.py").exists() and p.name != "cli")
    pages = {f"api/sirve.{folder.name}.md": _page(folder) for folder in folders}
    pages["api/simulators.md"] = _page(simulators)
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the API in the navigation."""
    for item in config.nav or []:
        if "API" in item:
            pages = [{Path(uri).stem: uri} for uri in _api()]
            item["API"] = [{"For users": "api/index.md"}, *pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written here, and those of the project's top folder."""
    pages = _api()
    for name in PROJECT:
        text = (ROOT / name).read_text(encoding="utf-8")
        pages[name.lower()] = re.sub(r"\]\(docs/", "](", text)
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Show links to source files as text with the path, and find the functions of ``sirve``."""
    if page.file.src_uri == "api/index.md":
        listed = {*PUBLIC.findall(markdown), *HEADING.findall(markdown)}
        missing = set(sirve.__all__) - listed
        if missing:
            log.warning(f"docs/api/index.md does not list {', '.join(sorted(missing))}")
        markdown = PUBLIC.sub(lambda found: f"::: {_home(found[1])}", markdown)
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def shown(found: re.Match[str]) -> str:
        text, up, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = (folder / up / target).resolve()
        if path.is_relative_to(ROOT / "docs"):
            return found[0]
        name = str(path.relative_to(ROOT))
        if not path.exists():
            log.warning(f"{page.file.src_uri} links to {name}, which does not exist")
        if name in PROJECT:
            depth = page.file.src_uri.count("/")
            return f"[{text}]({'../' * depth}{name.lower()}{anchor})"
        return f'<span class="source" title="{name}">{text}</span>'

    return LINK.sub(shown, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Take the script that search needs in a folder from the site itself, not from the network."""
    depth = "../" * page.file.dest_uri.count("/")
    return output.replace(SHIM, f"{depth}javascripts/iframe_worker.js")


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for pages that are no page of the navigation, such as 404.html."""
    return output_content.replace(SHIM, "javascripts/iframe_worker.js")


def _home(name: str) -> str:
    """Return where a public name of ``sirve`` is defined."""
    module = sirve._PUBLIC.get(name)
    if module is None:
        log.warning(f"docs/api/index.md lists sirve.{name}, which is not public")
    return f"{module}.{name}"
