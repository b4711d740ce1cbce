# SPDX-License-Identifier: Apache-2.0
#
# fuzz_runtime: the runtime's sources without its packed functions, with TVM's runtime library.
list(GET TVM_INCLUDE_DIRS 0 tvm_include)
find_library(TVM_RUNTIME tvm_runtime REQUIRED NO_DEFAULT_PATH
  PATHS ${tvm_include}/.. ${tvm_include}/../build)

set(fuzz_sources)
foreach(name compat crc32c duplex error exchange exchange_table json reduce region region_copy wire)
  list(APPEND fuzz_sources ${PROJECT_SOURCE_DIR}/flexpie_tvm/${name}.cc)
endforeach()
add_executable(fuzz_runtime ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_runtime.cc ${fuzz_sources})
set_target_properties(fuzz_runtime PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(fuzz_runtime PRIVATE ${PROJECT_SOURCE_DIR}/flexpie_tvm)
target_include_directories(fuzz_runtime SYSTEM PRIVATE ${TVM_INCLUDE_DIRS})
target_compile_definitions(fuzz_runtime PRIVATE
  "DMLC_USE_LOGGING_LIBRARY=<tvm/runtime/logging.h>" TVM_LOG_CUSTOMIZE=1)
target_compile_options(fuzz_runtime PRIVATE -Wall -Wextra)
target_link_libraries(fuzz_runtime PRIVATE flexpie_json ${TVM_RUNTIME} Threads::Threads ${CMAKE_DL_LIBS})
