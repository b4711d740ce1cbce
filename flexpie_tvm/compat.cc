// SPDX-License-Identifier: Apache-2.0
/*!
 * \file compat.cc
 * \brief Lets a library built with a new compiler load on a board with an old system.
 *
 * Boards run anything since glibc 2.28 and GCC 8's libstdc++, as TVM's own wheels do. What newer
 * headers call beyond that is defined here, hidden, so that the board's libraries are not asked for
 * it. (Linking libstdc++ statically instead would give the process a second one, with exceptions
 * crossing between the two.) TVM_LOG_CUSTOMIZE, see error.cc, belongs here too: TVM's default way
 * to throw moves an exception, which needs GCC 9's libstdc++.
 */
#include <new>

#define FLEXPIE_HIDDEN __attribute__((visibility("hidden")))

// These names are the libraries' own, that is the point of them.
// NOLINTBEGIN(bugprone-reserved-identifier,bugprone-std-namespace-modification,readability-identifier-naming)

/*! \brief glibc 2.32; lets shared_ptr skip atomics while there are no threads. Here there are. */
extern "C" FLEXPIE_HIDDEN char __libc_single_threaded;
char __libc_single_threaded = 0;

/*! \brief glibc 2.33; Mbed TLS has it to look for certificates in folders, which nobody does. */
struct stat;
extern "C" FLEXPIE_HIDDEN int stat(const char*, struct stat*);
int stat(const char*, struct stat*) { return -1; }

namespace std {

/*! \brief GCC 11; called where a container's size overflows. */
FLEXPIE_HIDDEN void __throw_bad_array_new_length();
void __throw_bad_array_new_length() { throw bad_array_new_length(); }

}  // namespace std

// NOLINTEND(bugprone-reserved-identifier,bugprone-std-namespace-modification,readability-identifier-naming)
