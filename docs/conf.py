"""The site of the documentation: `make docs` builds it into docs/_build/html; neither build nor page uses a network."""

import os
import re
import sys
from functools import cached_property
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.ext.apidoc import main as apidoc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from qnet.labels import RESEARCH_USE

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

PAGES = {  # pages of the site that are kept elsewhere
    "changelog": ROOT / "CHANGELOG.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "explanation/benchmarks": ROOT / "benchmarks/README.md",
    "reference/configuration": ROOT / "config/README.md",
    "reference/resources": ROOT / "resources/README.md",
}
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")

project = "Q-Net"
author = "the Q-Net developers"
copyright = f"Q-Net developers, MIT licence. {RESEARCH_USE}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Q-Net"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
default_role = "code"  # docstrings mark names with single backticks
# a function that its package exports again has two names; a reference may belong to the whole function
suppress_warnings = ["ref.python", "ref.footnote"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_param = True
napoleon_use_rtype = False
napoleon_preprocess_types = False  # "(X, Y, Z) float32 [ppm]" is no Python type
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False  # there are none to look for
python_use_unqualified_type_names = True
add_module_names = False

UNKNOWN_TEX = {r"\dots": r"\ldots", r"\textstyle": ""}  # commands that the converter lacks


def mathml(tex: str, block: bool) -> str:
    """Formula as MathML, which browsers set by themselves: no script to load."""
    for command, known in UNKNOWN_TEX.items():
        tex = tex.replace(command, known)
    return tex2mathml(" ".join(tex.split()), as_block=block)


def inline_formula(translator, node: nodes.math) -> None:
    """A formula within a line."""
    translator.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def block_formula(translator, node: nodes.math_block) -> None:
    """A formula on a line of its own."""
    translator.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


class OwnNames(PythonDomain):
    """References to names of other packages, as in every signature, are not compared with all names of this one."""

    @cached_property
    def last_words(self) -> set[str]:
        return {name.rpartition(".")[2] for name in self.objects}

    def find_obj(self, env, modname, classname, name, type, searchmode=0):
        """As for every name, but at once where none ends with it; Sphinx asks after it has read all pages."""
        known = name.removesuffix("()").rpartition(".")[2] in self.last_words
        return super().find_obj(env, modname, classname, name, type, searchmode) if known else []


def for_sphinx(app, what, name: str, obj, options, lines: list[str]) -> None:
    """Docstrings are written for readers of the code: |x| is a magnitude, and each counts its references from 1."""
    place = re.sub(r"[^a-z0-9]+", "-", name.lower())
    for index, line in enumerate(lines):
        if "math:" not in line and "`" not in line:
            line = re.sub(r"(?<![\w*])\*(?=[a-z]+\))", r"\*", line.replace("|", r"\|"))
        lines[index] = re.sub(r"\[(\d+)\]", rf"[#{place}-\1]", line) if re.search(r"\]_|^\.\. \[", line) else line


def pages_from_elsewhere(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links are those of the files in the repository; on the site they lead to its pages."""
    file = PAGES.get(docname)
    if file:
        source[0] = file.read_text(encoding="utf-8")
        app.env.note_dependency(str(file))
    if file or (DOCS / f"{docname}.md").exists():
        here = (file or DOCS / docname).parent
        source[0] = LINK.sub(lambda link: on_site(link, here, (DOCS / docname).parent), source[0])


def on_site(link: re.Match, here: Path, there: Path) -> str:
    """A link of a file in folder `here` as a page in `there` needs it; folders of the repository have no page."""
    text, target, anchor = link[1], link[2], link[3] or ""
    if ":" in target:
        return link[0]
    path = (here / target).resolve()
    kept = next((page for page, file in PAGES.items() if file == path), None)
    if kept:
        path = DOCS / f"{kept}.md"
    if path.is_dir():
        return text
    return f"[{text}]({os.path.relpath(path, there)}{anchor})"


def write_api(app: Sphinx) -> None:
    """A page per package of `recon` and `qnet`, from what is there at the moment of the build."""
    for package in ("recon", "qnet"):
        options = ["--force", "--no-toc", "--module-first", "--maxdepth", "2", f"--templatedir={DOCS / '_templates'}"]
        apidoc([*options, "--output-dir", str(DOCS / "reference/api" / package), str(ROOT / package)])


def setup(app: Sphinx) -> None:
    """Register the formulas and the generated pages."""
    app.add_domain(OwnNames, override=True)
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
    app.connect("autodoc-process-docstring", for_sphinx)
    app.connect("source-read", pages_from_elsewhere)
    app.connect("builder-inited", write_api)
