# SPDX-License-Identifier: Apache-2.0
#
# flexpie_json: nlohmann/json, which is headers only, so that of this machine does for every board.
# Taken from JSON_INCLUDE_DIR (the folder that holds nlohmann/json.hpp) if given, else from the
# Python interpreter's nlohmann-json package, which builds of wheels have, else from the system.
if(NOT JSON_INCLUDE_DIR)
  if(NOT Python3_EXECUTABLE)
    find_package(Python3 COMPONENTS Interpreter)
  endif()
  set(json_package)
  if(Python3_EXECUTABLE)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} -c
        "import importlib.util as u; print(u.find_spec('nlohmann_json').submodule_search_locations[0])"
      OUTPUT_VARIABLE json_package
      OUTPUT_STRIP_TRAILING_WHITESPACE
      ERROR_QUIET)
  endif()
  find_path(JSON_INCLUDE_DIR nlohmann/json.hpp
    HINTS ${json_package}/include NO_CMAKE_FIND_ROOT_PATH)
endif()
if(NOT EXISTS ${JSON_INCLUDE_DIR}/nlohmann/json.hpp)
  message(FATAL_ERROR
    "nlohmann/json.hpp is missing. Install it (apt-get install nlohmann-json3-dev, or "
    "${Python3_EXECUTABLE} -m pip install nlohmann-json), "
    "or set JSON_INCLUDE_DIR to the folder that holds nlohmann/json.hpp.")
endif()
message(STATUS "nlohmann/json: ${JSON_INCLUDE_DIR}")

# Its folder can be /usr/include, whose other headers are not those of a board: link to it alone.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/json)
file(CREATE_LINK ${JSON_INCLUDE_DIR}/nlohmann ${CMAKE_BINARY_DIR}/json/nlohmann SYMBOLIC)
add_library(flexpie_json INTERFACE)
target_include_directories(flexpie_json SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/json)
target_compile_definitions(flexpie_json INTERFACE JSON_NO_IO JSON_USE_IMPLICIT_CONVERSIONS=0)
# Its assertions would end a board's server, and carry file names of the building machine.
target_compile_options(flexpie_json INTERFACE "-DJSON_ASSERT(condition)=static_cast<void>(0)")
