# SPDX-License-Identifier: Apache-2.0
#
# Sets TVM_INCLUDE_DIRS, unless given: from the tvm package that the Python interpreter would
# import, be it a wheel (headers inside the package) or a source checkout (headers two folders up).
# The package is located, not imported.
if(NOT TVM_INCLUDE_DIRS)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
      "import importlib.util as u; print(u.find_spec('tvm').submodule_search_locations[0])"
    OUTPUT_VARIABLE tvm_package
    RESULT_VARIABLE tvm_missing
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
  if(tvm_missing)
    message(FATAL_ERROR
      "${Python3_EXECUTABLE} has no tvm package. Set Python3_EXECUTABLE to one that has, "
      "or TVM_INCLUDE_DIRS to TVM's include folders.")
  endif()
  foreach(root ${tvm_package} ${tvm_package}/../..)
    get_filename_component(root ${root} ABSOLUTE)
    if(EXISTS ${root}/include/tvm/runtime/packed_func.h)
      set(TVM_INCLUDE_DIRS
        ${root}/include ${root}/3rdparty/dlpack/include ${root}/3rdparty/dmlc-core/include)
      break()
    endif()
  endforeach()
  if(NOT TVM_INCLUDE_DIRS)
    message(FATAL_ERROR
      "The tvm package in ${tvm_package} has no C++ headers. Set TVM_INCLUDE_DIRS.")
  endif()
endif()
message(STATUS "TVM headers: ${TVM_INCLUDE_DIRS}")
