#!/usr/bin/env bash
# Reads phase, magnitude, mask, params from the first folder, writes to the second.
set -euo pipefail
exec python3 -P -m recon end-to-end "${1:-/input}" "${2:-/output}" --set pipeline="${QSMCI_SET_PIPELINE:-consensus}"
