# SPDX-License-Identifier: Apache-2.0
#
# TVM_RUNTIME: TVM's runtime library of this machine, for programs; the board runtime finds it at
# load.
list(GET TVM_INCLUDE_DIRS 0 tvm_include)
find_library(TVM_RUNTIME tvm_runtime REQUIRED NO_DEFAULT_PATH
  PATHS ${tvm_include}/.. ${tvm_include}/../build)
