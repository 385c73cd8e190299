#!/bin/sh
# Installs torch with a Python's pip. By default what the package index has: for Linux the CUDA build
# with all its packages. TORCH_INDEX is the address of an index, or a directory of wheels, that holds
# another build; what torch needs of others is then that of the lock.
#
# Usage: [TORCH_INDEX=WHERE] requirements/torch.sh PYTHON
set -eu
pip() { "$python" -m pip --disable-pip-version-check install --progress-bar off "$@"; }
python=$1
here=$(dirname "$0")
if [ -z "${TORCH_INDEX:-}" ]; then
	pip -c "$here/lock.txt" -r "$here/torch.txt"
elif [ -d "$TORCH_INDEX" ]; then
	PIP_FIND_LINKS=$TORCH_INDEX PIP_NO_INDEX=1 pip --no-deps -r "$here/torch.txt"
else
	case $TORCH_INDEX in
		*://*) PIP_INDEX_URL=$TORCH_INDEX pip --no-deps -r "$here/torch.txt" ;;
		*) echo "TORCH_INDEX is $TORCH_INDEX, expected the address of an index or a directory of wheels" >&2; exit 1 ;;
	esac
fi
