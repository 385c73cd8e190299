#!/bin/sh
# Takes away what a service never opens of its packages: what one builds upon them with (headers, sources of
# extension modules, static libraries, compilers), what tests them, and Arrow's RPC.
#
# Usage: requirements/pared.sh SITE_PACKAGES
set -eu
cd "$1"
rm -rf torch/include torch/share torch/test pyarrow/include
find torch/bin -type f ! -name torch_shm_manager -delete
rm -f torch/lib/lib*_test.so torch/lib/libbackend_with_compiler.so torch/lib/libaoti_custom_ops.so
# astropy's own runs them, and is imported with it.
find astropy networkx numpy pyarrow scipy sympy -type d -name tests ! -path astropy/tests -prune -exec rm -rf {} +
find . -type f \( -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyx' \) -delete
rm -f pyarrow/*flight*
# A wheel holds no links: of each library the names that only a linker asks for are further copies.
rm -f pyarrow/libarrow_*.so pyarrow/libarrow_*.so.*.*.*
