"""`python -m workflow.container`: print the Apptainer definition of the environment that requirements.lock pins.

python -m workflow.container > q-net.def && apptainer build q-net.sif q-net.def
"""

from workflow.lib.home import HOME
from workflow.lib.setup.container import definition

if __name__ == "__main__":
    print(definition((HOME / "requirements.lock").read_bytes()), end="")
