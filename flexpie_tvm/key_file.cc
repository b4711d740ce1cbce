// SPDX-License-Identifier: Apache-2.0
#include "key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "error.h"
#include "socket.h"
#include "wire.h"

namespace flexpie {

namespace {

constexpr char kVariable[] = "FLEXPIE_PSK_FILE";

/*! \brief As fstat, whose name is another one in glibc before 2.33. */
bool Status(int fd, struct statx* status) {
  return ::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE, status) == 0;
}

}  // namespace

bool ReadKey(const std::string& path, Key* key, std::string* error) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct statx status{};
  if (!file.open() || !Status(file.get(), &status)) {
    *error = ErrnoText(errno);
    return false;
  }
  if (!S_ISREG(status.stx_mode)) {
    *error = "it is no regular file";
    return false;
  }
  if ((status.stx_mode & 077) != 0) {
    *error = "others may read or write it: chmod 600 it";
    return false;
  }
  char text[2 * kKeyBytes + 2];  // and a line's end, and one byte more than may be there
  const ssize_t size = ::read(file.get(), text, sizeof(text));
  const bool whole = size == 2 * kKeyBytes || (size == 2 * kKeyBytes + 1 && text[size - 1] == '\n');
  if (whole && ParseHex(std::string(text, 2 * kKeyBytes), key->data(), key->size())) return true;
  *error = "it does not hold 64 hex digits, as `flexpie key` writes them";
  return false;
}

std::shared_ptr<const Tls> TlsOfBoard(int rank) {
  const char* path = std::getenv(kVariable);
  if (path == nullptr || *path == 0) return nullptr;
  ErrorPlace place;
  place.board = rank;
  const std::string board = "board " + std::to_string(rank);
  Key key;
  std::string error;
  if (!ReadKey(path, &key, &error)) {
    Throw(ErrorKind::kUntrusted, place,
          board + " cannot use its key " + path + " (" + kVariable + "): " + error);
  }
  if (!HasTls()) {
    Throw(ErrorKind::kUntrusted, place,
          board +
              " has a key, but the native runtime for it was built without Mbed TLS: build it "
              "where libmbedtls-dev is installed, or start the board without " +
              kVariable);
  }
  return MakeTls(key);
}

}  // namespace flexpie
