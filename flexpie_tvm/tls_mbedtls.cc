// SPDX-License-Identifier: Apache-2.0
// Built where there is Mbed TLS; else tls_none.cc is.
#include "tls.h"

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "clock.h"
#include "socket.h"

#if MBEDTLS_VERSION_MAJOR != 2
#error "tls_mbedtls.cc is written for Mbed TLS 2.28"
#endif

namespace flexpie {

namespace {

constexpr size_t kRecordBytes = 16 << 10;
/*! \brief Of one call, so that threads that send and receive get their turns. */
constexpr size_t kCallBytes = 8 * kRecordBytes;
constexpr unsigned char kIdentity[] = "flexpie";
constexpr char kIdOf[] = "flexpie key id";
constexpr int kSuites[] = {MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0};
constexpr mbedtls_ecp_group_id kCurves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                            MBEDTLS_ECP_DP_NONE};

int Random(void*, unsigned char* bytes, size_t count) {
  for (size_t have = 0; have < count;) {
    const ssize_t got = ::getrandom(bytes + have, count - have, 0);
    if (got < 0 && errno != EINTR) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    have += std::max<ssize_t>(got, 0);
  }
  return 0;
}

/*! \brief Where to go on in the parts of one call. */
struct Cursor {
  const iovec* parts;
  int count;
  size_t at = 0;  // bytes into the first part

  void Skip(size_t bytes) {
    for (at += bytes; count > 0 && at >= parts->iov_len; ++parts, --count) at -= parts->iov_len;
  }
  char* data() const { return static_cast<char*>(parts->iov_base) + at; }
  size_t size() const { return parts->iov_len - at; }
};

class Session : public TlsSession {
 public:
  Session(int fd, std::shared_ptr<const Tls> key, const mbedtls_ssl_config* config)
      : fd_(fd), key_(std::move(key)) {
    mbedtls_ssl_init(&ssl_);
    ready_ = mbedtls_ssl_setup(&ssl_, config) == 0;
    mbedtls_ssl_set_bio(&ssl_, this, &Session::Write, &Session::Read, nullptr);
  }
  ~Session() override { mbedtls_ssl_free(&ssl_); }

  IoResult Shake() override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!ready_) return Broken(MBEDTLS_ERR_SSL_ALLOC_FAILED);
    if (broken_) return end_;
    const int code = mbedtls_ssl_handshake(&ssl_);
    if (code == 0) return {IoResult::Status::kMoved, 0, 0};
    awaits_ = code == MBEDTLS_ERR_SSL_WANT_WRITE ? POLLOUT : POLLIN;
    if (Waits(code)) return {IoResult::Status::kWouldBlock, 0, 0};
    trouble_ = Trouble(code);
    return Broken(code);
  }

  short awaits() const override { return awaits_; }
  std::string trouble() const override { return trouble_; }
  int64_t arrived_ns() const override { return arrived_ns_; }
  bool held() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return mbedtls_ssl_get_bytes_avail(&ssl_) > 0;
  }

  IoResult Send(const iovec* parts, int count) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (broken_) return end_;
    Cursor cursor{parts, count};
    size_t moved = 0;
    while (moved < kCallBytes) {
      // a record that is encrypted already goes on as it is
      if (record_ == 0) record_ = Gather(cursor);
      if (record_ == 0) break;
      const int code = mbedtls_ssl_write(&ssl_, plain_.data(), record_);
      if (Waits(code)) break;
      if (code < 0) return moved > 0 ? (Broken(code), Moved(moved)) : Broken(code);
      cursor.Skip(record_);
      moved += record_;
      record_ = 0;
    }
    return Moved(moved);
  }

  IoResult Recv(const iovec* parts, int count) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (broken_) return end_;
    Cursor cursor{parts, count};
    cursor.Skip(0);
    size_t moved = 0;
    while (moved < kCallBytes && cursor.count > 0) {
      const int code =
          mbedtls_ssl_read(&ssl_, reinterpret_cast<unsigned char*>(cursor.data()), cursor.size());
      if (Waits(code)) break;
      if (code <= 0) return moved > 0 ? (Broken(code), Moved(moved)) : Broken(code);
      cursor.Skip(static_cast<size_t>(code));
      moved += static_cast<size_t>(code);
    }
    return Moved(moved);
  }

 private:
  static bool Waits(int code) {
    return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE;
  }
  static IoResult Moved(size_t bytes) {
    if (bytes == 0) return {IoResult::Status::kWouldBlock, 0, 0};
    return {IoResult::Status::kMoved, bytes, 0};
  }

  static int Write(void* self, const unsigned char* bytes, size_t count) {
    auto* session = static_cast<Session*>(self);
    const iovec part{const_cast<unsigned char*>(bytes), count};
    return session->Code(flexpie::Send(session->fd_, &part, 1), MBEDTLS_ERR_SSL_WANT_WRITE);
  }
  static int Read(void* self, unsigned char* bytes, size_t count) {
    auto* session = static_cast<Session*>(self);
    const iovec part{bytes, count};
    const IoResult result = RecvStamped(session->fd_, part, &session->arrived_ns_);
    return session->Code(result, MBEDTLS_ERR_SSL_WANT_READ);
  }
  int Code(const IoResult& result, int would_block) {
    switch (result.status) {
      case IoResult::Status::kMoved:
        return static_cast<int>(result.bytes);
      case IoResult::Status::kWouldBlock:
        return would_block;
      case IoResult::Status::kError:
        error_ = result.error;
        return MBEDTLS_ERR_NET_RECV_FAILED;
      default:
        return MBEDTLS_ERR_NET_CONN_RESET;
    }
  }

  /*! \brief Copies what the next record holds together; small runs of a tensor share one. */
  size_t Gather(Cursor cursor) {
    size_t have = 0;
    for (cursor.Skip(0); cursor.count > 0 && have < kRecordBytes;) {
      const size_t bytes = std::min(cursor.size(), kRecordBytes - have);
      std::memcpy(plain_.data() + have, cursor.data(), bytes);
      have += bytes;
      cursor.Skip(bytes);
    }
    return have;
  }

  /*! \brief The end of the session, which every later call gets, too. */
  IoResult Broken(int code) {
    switch (code) {
      case 0:
      case MBEDTLS_ERR_SSL_CONN_EOF:
      case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
      case MBEDTLS_ERR_NET_CONN_RESET:
        end_ = {IoResult::Status::kClosed, 0, 0};
        break;
      case MBEDTLS_ERR_NET_RECV_FAILED:
        end_ = {IoResult::Status::kError, 0, error_};
        break;
      case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        end_ = {IoResult::Status::kError, 0, ENOMEM};
        break;
      default:
        end_ = {IoResult::Status::kTampered, 0, 0};
    }
    broken_ = true;
    return end_;
  }

  /*! \brief Why a handshake came to nothing, after "it ...". */
  std::string Trouble(int code) const {
    const bool first = ssl_.state <= MBEDTLS_SSL_SERVER_HELLO;
    switch (code) {
      case MBEDTLS_ERR_SSL_INVALID_MAC:
        return "its key is another one";
      case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        return "it turned the handshake down: its key is another one";
      case MBEDTLS_ERR_SSL_CONN_EOF:
      case MBEDTLS_ERR_NET_CONN_RESET:
        return "it closed the connection in the handshake: it may have no key, or another one";
      default:
        if (first) return "it does not encrypt: it may have no key";
    }
    char text[128] = "";
    mbedtls_strerror(code, text, sizeof(text));
    return std::string("the handshake failed: ") + text;
  }

  const int fd_;
  const std::shared_ptr<const Tls> key_;  // has what ssl_ points to
  mutable std::mutex mutex_;
  mbedtls_ssl_context ssl_;
  bool ready_ = false;
  short awaits_ = POLLOUT;
  std::string trouble_;
  int64_t arrived_ns_ = 0;
  int error_ = 0;      // of the socket
  size_t record_ = 0;  // bytes that are encrypted but not all sent
  bool broken_ = false;
  IoResult end_;
  std::array<unsigned char, kRecordBytes> plain_;
};

class KeyTls : public Tls, public std::enable_shared_from_this<KeyTls> {
 public:
  explicit KeyTls(const Key& key) : key_(key) {
    Configure(&dials_, MBEDTLS_SSL_IS_CLIENT);
    Configure(&answers_, MBEDTLS_SSL_IS_SERVER);
  }
  ~KeyTls() override {
    mbedtls_ssl_config_free(&dials_);
    mbedtls_ssl_config_free(&answers_);
    mbedtls_platform_zeroize(key_.data(), key_.size());
  }

  std::unique_ptr<TlsSession> Begin(int fd, End end) const override {
    return std::make_unique<Session>(fd, shared_from_this(),
                                     end == End::kDials ? &dials_ : &answers_);
  }

  std::string KeyId() const override {
    std::vector<unsigned char> text(kIdOf, kIdOf + sizeof(kIdOf) - 1);
    text.insert(text.end(), key_.begin(), key_.end());
    std::array<unsigned char, 32> digest{};
    mbedtls_sha256_ret(text.data(), text.size(), digest.data(), 0);
    mbedtls_platform_zeroize(text.data(), text.size());
    std::string digits;
    for (size_t i = 0; i < 8; ++i) {
      digits += "0123456789abcdef"[digest[i] >> 4];
      digits += "0123456789abcdef"[digest[i] & 15];
    }
    return digits;
  }

 private:
  void Configure(mbedtls_ssl_config* config, int end) {
    mbedtls_ssl_config_init(config);
    mbedtls_ssl_config_defaults(config, end, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(config, Random, nullptr);
    mbedtls_ssl_conf_ciphersuites(config, kSuites);
    mbedtls_ssl_conf_curves(config, kCurves);
    // It fails for want of memory only; then every handshake does.
    mbedtls_ssl_conf_psk(config, key_.data(), key_.size(), kIdentity, sizeof(kIdentity) - 1);
  }

  Key key_;
  mbedtls_ssl_config dials_;
  mbedtls_ssl_config answers_;
};

}  // namespace

bool HasTls() { return true; }

std::shared_ptr<const Tls> MakeTls(const Key& key) { return std::make_shared<KeyTls>(key); }

}  // namespace flexpie
