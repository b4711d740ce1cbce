#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The native runtime's tests with GCC's sanitizers, and damaged input: sanitize.sh PYTHON [INPUTS]
# test_cross.py, test_cpp.py and test_without_tls.py are left out: they run compilers, which hang with
# ThreadSanitizer loaded into them. The tests of C++ are run here, by themselves.
# The sanitizers come into Python before all else, libstdc++ with them, whose throw they wrap.
set -eu
python=$1
inputs=${2:-1000000}
cd "$(dirname "$0")/.."

library() { "${CXX:-g++}" -print-file-name="$1"; }

tests() { # sanitizer, libraries to load first
  FLEXPIE_RUNTIME_LIB=$PWD/build/$1/libflexpie_runtime.so LD_PRELOAD="$2 $(library libstdc++.so.6)" \
    "$python" -m pytest -q -p no:cacheprovider tests/native \
    --ignore tests/native/test_cross.py --ignore tests/native/test_cpp.py \
    --ignore tests/native/test_without_tls.py
}

for preset in asan tsan; do
  cmake --preset $preset -DPython3_EXECUTABLE="$python"
  cmake --build build/$preset -j 2
done
# What Python and TVM never free is theirs.
export ASAN_OPTIONS=detect_leaks=0
# TVM is not built for it: only what happens in the runtime counts.
export TSAN_OPTIONS="halt_on_error=1 ignore_noninstrumented_modules=1"
build/asan/runtime_tests --gtest_brief=1
build/tsan/runtime_tests --gtest_brief=1
build/asan/fuzz_runtime "$inputs"
tests asan "$(library libasan.so) $(library libubsan.so)"
tests tsan "$(library libtsan.so)"
