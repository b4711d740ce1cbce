# SPDX-License-Identifier: Apache-2.0
#
# runtime_tests: tests/cpp, with the objects of the runtime itself and TVM's runtime library.
# Run them by ctest.
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(FATAL_ERROR
    "FLEXPIE_TESTS needs GoogleTest. Install it (apt-get install libgtest-dev).")
endif()
include(GoogleTest)
include(cmake/tvm_runtime.cmake)

file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cpp/*_test.cc)
add_executable(runtime_tests ${test_sources} $<TARGET_OBJECTS:flexpie_runtime>)
set_target_properties(runtime_tests PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(runtime_tests PRIVATE ${PROJECT_SOURCE_DIR}/flexpie_tvm)
target_include_directories(runtime_tests SYSTEM PRIVATE ${TVM_INCLUDE_DIRS})
target_compile_options(runtime_tests PRIVATE -Wall -Wextra)
target_link_libraries(runtime_tests PRIVATE
  GTest::gtest_main ${TVM_RUNTIME} $<TARGET_PROPERTY:flexpie_runtime,LINK_LIBRARIES>)
gtest_discover_tests(runtime_tests DISCOVERY_MODE PRE_TEST)
