// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace flexpie {
namespace json {

namespace {

constexpr int kMaxDepth = 32;
/*! \brief Bytes of the library's sentences, which can quote a number of any length. */
constexpr size_t kMaxSentence = 160;

/*! \brief Refuses what the library would take: deep nesting, and keys that hide others. */
class Bounds {
 public:
  bool operator()(int depth, Value::parse_event_t event, const Value& parsed) {
    using Event = Value::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= kMaxDepth) throw Error("bad JSON: nested too deep");
      keys_.emplace_back();
    } else if (event == Event::object_end || event == Event::array_end) {
      keys_.pop_back();
    } else if (event == Event::key && !keys_.back().insert(String(parsed)).second) {
      throw Error("bad JSON: " + Text(parsed) + " appears twice in an object");
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_;  // of all objects that are open
};

/*!
 * \brief "unexpected end of input; expected ..." of the library's longer story, without what it
 * read last: that is as long as the text likes, and need not be UTF-8.
 */
std::string Story(const nlohmann::json::exception& error) {
  std::string text = error.what();
  for (const char* before : {"] ", ": ", " - "}) {
    const size_t at = text.find(before);
    if (at != std::string::npos) text.erase(0, at + std::char_traits<char>::length(before));
  }
  const size_t last_read = text.find("; last read: '");
  if (last_read != std::string::npos) {
    const size_t end = text.rfind("'; expected ");
    text.erase(last_read, end == std::string::npos ? end : end + 1 - last_read);
  }
  if (text.size() > kMaxSentence) text = text.substr(0, kMaxSentence) + " ...";
  return text;
}

[[noreturn]] void Expected(const char* what) { throw Error(std::string("expected ") + what); }

}  // namespace

Value Parse(const std::string& text) {
  // The library takes it for the end, whatever follows.
  const size_t zero = text.find('\0');
  if (zero != std::string::npos) {
    throw Error("bad JSON at character " + std::to_string(zero + 1) + ": a zero byte");
  }
  Bounds bounds;
  try {
    return Value::parse(text, [&](int depth, Value::parse_event_t event, const Value& parsed) {
      return bounds(depth, event, parsed);
    });
  } catch (const Value::parse_error& error) {
    throw Error("bad JSON at character " + std::to_string(error.byte) + ": " + Story(error));
  } catch (const Value::exception& error) {
    throw Error("bad JSON: " + Story(error));
  }
}

int64_t Int(const Value& value) {
  if (!value.is_number_integer()) Expected("an integer");
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    Expected("an integer");
  }
  return value.get<int64_t>();
}

const std::string& String(const Value& value) {
  if (!value.is_string()) Expected("a string");
  return value.get_ref<const std::string&>();
}

const Value& Array(const Value& value) {
  if (!value.is_array()) Expected("an array");
  return value;
}

const Value& At(const Value& value, const char* key) {
  if (!value.is_object()) Expected("an object");
  const auto found = value.find(key);
  if (found == value.end()) throw Error(std::string("no member \"") + key + "\"");
  return *found;
}

std::string Text(const Value& value) {
  return value.dump(-1, ' ', false, Value::error_handler_t::replace);
}

}  // namespace json
}  // namespace flexpie
