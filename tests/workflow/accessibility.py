"""What axe-core, the rules by which screen readers are served, finds wrong on pages in a real browser."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from tests.workflow.browser import told

OPTIONS = {  # what is right is not described: that takes longer than all the rules
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}
WIDTH, HEIGHT = 1280, 900  # pixels of the frame in which a page is laid out
# what a reader may open is opened, so that it is looked at as well
STEPS = """
const found = {};
for (const [name, html] of Object.entries(PAGES)) {
  const frame = document.createElement("iframe");
  [frame.title, frame.width, frame.height] = [name, WIDTH, HEIGHT];
  await new Promise(done => { frame.onload = done; frame.srcdoc = html; document.body.append(frame); });
  const inside = frame.contentDocument, script = inside.createElement("script");
  for (const folded of inside.querySelectorAll("details")) folded.open = true;
  for (const hidden of inside.querySelectorAll("[hidden]")) hidden.hidden = false;
  script.textContent = AXE;
  inside.head.append(script);
  const {violations, passes} = await frame.contentWindow.axe.run(inside, OPTIONS);
  if (!passes.length) throw new Error(`${name}: no rule was tried`);
  const broken = violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 160)}`));
  if (broken.length) found[name] = broken;
  frame.remove();
}
return [found];
"""


def complaints(pages: Mapping[str, str], folder: Path) -> dict[str, list[str]]:
    """Broken rules of each page that breaks any, with the element that does.

    Parameters
    ----------
    pages : by name, HTML
    folder : to work in
    """
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    given = {"PAGES": pages, "WIDTH": WIDTH, "HEIGHT": HEIGHT, "AXE": axe, "OPTIONS": OPTIONS}
    # </ would end the script that holds the pages
    values = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items()).replace("</", r"<\/")
    (folder / "axe.html").write_text("<title></title><main></main>", "utf-8")
    return told(folder / "axe.html", values + STEPS)[0]
