#!/usr/bin/env bash
# Reads magnitude, params from the first folder, writes to the second.
set -euo pipefail
exec python3 -P -m recon brain-mask "${1:-/input}" "${2:-/output}"
