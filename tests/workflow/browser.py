"""A page as a browser shows it, after steps that its reader takes."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SOFTWARE_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-gpu", "--disable-3d-apis")


def told(page: Path, steps: str, *options: str) -> list:
    """What the JavaScript `steps`, an asynchronous function's body, returns on a page that the browser has opened.

    Parameters
    ----------
    page : an HTML file; a copy with the steps is written beside it
    steps : its result is a list
    options : of the browser
    """
    code = (
        f"(async () => {{{steps}}})().catch(e => [String(e.stack)]).then(a => {{document.title = JSON.stringify(a);}});"
    )
    copy = page.with_name(f"steps_{page.name}")
    copy.write_text(page.read_text("utf-8").replace("</main>", f"</main><script>{code}</script>"), "utf-8")
    common = ["--headless", "--no-sandbox", "--virtual-time-budget=20000", "--dump-dom"]
    command = [str(CHROMIUM), *common, *options, f"--user-data-dir={page.parent / 'browser'}", copy.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    return json.loads(html.unescape(re.search("<title>(.*?)</title>", shown, re.S)[1]))
