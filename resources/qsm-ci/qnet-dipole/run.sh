#!/usr/bin/env bash
# Reads localfield, mask, params from the first folder, writes to the second.
set -euo pipefail
exec python3 -P -m recon dipole "${1:-/input}" "${2:-/output}" --set pipeline="${QSMCI_SET_PIPELINE:-consensus}"
