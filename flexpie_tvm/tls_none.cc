// SPDX-License-Identifier: Apache-2.0
// Built where Mbed TLS is missing.
#include "tls.h"

namespace flexpie {

bool HasTls() { return false; }

std::shared_ptr<const Tls> MakeTls(const Key&) { return nullptr; }

}  // namespace flexpie
