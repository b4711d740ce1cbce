# SPDX-License-Identifier: Apache-2.0
#
# fuzz_runtime: the objects of the runtime itself, with TVM's runtime library.
include(cmake/tvm_runtime.cmake)
add_executable(fuzz_runtime ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_runtime.cc
  $<TARGET_OBJECTS:flexpie_runtime>)
set_target_properties(fuzz_runtime PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(fuzz_runtime PRIVATE ${PROJECT_SOURCE_DIR}/flexpie_tvm)
target_include_directories(fuzz_runtime SYSTEM PRIVATE ${TVM_INCLUDE_DIRS})
target_compile_options(fuzz_runtime PRIVATE -Wall -Wextra)
target_link_libraries(fuzz_runtime PRIVATE
  ${TVM_RUNTIME} $<TARGET_PROPERTY:flexpie_runtime,LINK_LIBRARIES>)
