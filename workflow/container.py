"""`python -m workflow.container`: print the Apptainer definition of the environment that requirements.lock pins.

python -m workflow.container > q-net.def && apptainer build q-net.sif q-net.def
"""

from workflow.lib.container import REPOSITORY, definition

if __name__ == "__main__":
    print(definition((REPOSITORY / "requirements.lock").read_bytes()), end="")
