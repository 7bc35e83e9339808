"""Files of the viewer, in the folder `viewer` beside the pages: the program, one for all scans, and each scan's images.

Pages are opened from the file system, where browsers let a page load scripts but read no other file: the images of a
scan are the argument of a call.
"""

import base64
import json
from dataclasses import asdict

from recon.check.viewer import Heat, Views


def images_script(views: Views) -> str:
    """A script that hands the images to the page that loads it."""
    return f"showImages({json.dumps(asdict(views), default=_text)});\n"


def overlay_script(heat: Heat) -> str:
    """A script that hands a further overlay to the page that loads it."""
    return f"showOverlay({json.dumps(asdict(heat), default=_text)});\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
