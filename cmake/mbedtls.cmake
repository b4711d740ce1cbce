# SPDX-License-Identifier: Apache-2.0
#
# flexpie_tls: encryption of links, where the static libraries of Mbed TLS 2.28 are: Debian's libmbedtls-dev, and
# for boards of another architecture what tools/system_packages.sh unpacks beside the cross compiler.
# Without them the runtime is built all the same, and says so when it is asked to encrypt.
#
# FLEXPIE_TLS   ON: fail without them; OFF: build without them; AUTO (the default): as they are there
set(FLEXPIE_TLS AUTO CACHE STRING "Encrypt links with Mbed TLS: ON, OFF or AUTO")

set(tls_source none)
if(FLEXPIE_TLS)
  set(tls_where /usr/lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu /usr/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/lib
    /usr/local/lib /usr/lib64 /usr/lib)
  if(CMAKE_CROSSCOMPILING)
    list(REMOVE_ITEM tls_where /usr/local/lib /usr/lib64 /usr/lib)
  endif()
  set(tls_libraries)
  foreach(name mbedtls mbedx509 mbedcrypto)
    find_file(TLS_${name} lib${name}.a PATHS ${tls_where} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
    if(TLS_${name})
      list(APPEND tls_libraries ${TLS_${name}})
    endif()
  endforeach()
  find_path(TLS_INCLUDE mbedtls/ssl.h PATHS /usr/local/include /usr/include NO_DEFAULT_PATH
    NO_CMAKE_FIND_ROOT_PATH)
  list(LENGTH tls_libraries tls_found)
  if(TLS_INCLUDE)
    file(STRINGS ${TLS_INCLUDE}/mbedtls/version.h tls_version REGEX "define MBEDTLS_VERSION_STRING ")
  endif()
  if(tls_found EQUAL 3 AND tls_version MATCHES "\"2\\.28\\.")
    set(tls_source mbedtls)
  elseif(NOT FLEXPIE_TLS STREQUAL AUTO)
    message(FATAL_ERROR "Mbed TLS 2.28 (libmbedtls-dev) is not there for ${CMAKE_SYSTEM_PROCESSOR}")
  endif()
endif()

add_library(flexpie_tls INTERFACE)
if(tls_source STREQUAL mbedtls)
  message(STATUS "Links can be encrypted: Mbed TLS, ${TLS_mbedtls}")
  list(FILTER FLEXPIE_SOURCES EXCLUDE REGEX "/tls_none\\.cc$")
  # Its folder can be /usr/include, whose other headers are not those of a board: link to it alone.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/tls)
  file(CREATE_LINK ${TLS_INCLUDE}/mbedtls ${CMAKE_BINARY_DIR}/tls/mbedtls SYMBOLIC)
  target_include_directories(flexpie_tls SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/tls)
  target_link_libraries(flexpie_tls INTERFACE ${tls_libraries})
  # nobody else in the process shall see, or give, its functions
  target_link_options(flexpie_tls INTERFACE -Wl,--exclude-libs,ALL)
else()
  message(STATUS "Links cannot be encrypted: built without Mbed TLS 2.28 (libmbedtls-dev)")
  list(FILTER FLEXPIE_SOURCES EXCLUDE REGEX "/tls_mbedtls\\.cc$")
endif()
