// SPDX-License-Identifier: Apache-2.0
#include "error.h"

#include <tvm/runtime/logging.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <system_error>

#include "json.h"

namespace flexpie {

namespace {

constexpr char kMark[] = "FLEXPIE_ERROR ";

const char* KindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kLostBoard:
      return "lost_board";
    case ErrorKind::kUnreached:
      return "unreached";
    case ErrorKind::kDeadline:
      return "deadline";
    case ErrorKind::kDesync:
      return "desync";
    case ErrorKind::kDamaged:
      return "damaged";
    case ErrorKind::kHandshake:
      return "handshake";
    case ErrorKind::kUntrusted:
      return "untrusted";
    case ErrorKind::kTable:
      return "table";
    case ErrorKind::kFailed:
      return "failed";
    case ErrorKind::kIo:
      break;
  }
  return "io";
}

}  // namespace

void Throw(ErrorKind kind, const ErrorPlace& place, const std::string& sentence) {
  const json::Value where = {{"kind", KindName(kind)}, {"board", place.board},
                             {"peer", place.peer},     {"exchange", place.exchange},
                             {"tensor", place.tensor}, {"layer", place.layer}};
  const std::string text = kMark + json::Text(where) + " " + sentence;
  // Of TVM's errors only InternalError is handed through generated code unchanged (a plain Error
  // comes out with a backtrace glued to its last line). Its own backtrace would be noise here.
  throw ::tvm::runtime::InternalError("flexpie_tvm/error.cc", __LINE__, text, std::time(nullptr),
                                      "");
}

std::string SentenceOf(const std::exception& error) {
  std::string text = error.what();
  size_t begin = text.find(kMark);
  if (begin != std::string::npos) {
    const size_t json_end = text.find("} ", begin);
    begin = json_end == std::string::npos ? begin : json_end + 2;
  } else {
    begin = 0;
  }
  text = text.substr(begin, text.find('\n', begin) - begin);
  // An exception of Python's, on its way through C++, has no text.
  return text.empty() ? "an error without a text" : text;
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error) + " (errno " + std::to_string(error) + ")";
}

}  // namespace flexpie

// TVM_LOG_CUSTOMIZE asks for these two. They do what TVM's own do (see compat.cc for why).
namespace tvm {
namespace runtime {
namespace detail {

void LogFatalImpl(const std::string& file, int line, const std::string& message) {
  throw InternalError(file, line, message);
}

void LogMessageImpl(const std::string& file, int line, int, const std::string& message) {
  std::cerr << file << ":" << line << ": " << message << '\n';
}

}  // namespace detail
}  // namespace runtime
}  // namespace tvm
