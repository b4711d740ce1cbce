// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace flexpie {
namespace json {

namespace {

constexpr int kMaxDepth = 32;

class Parser {
 public:
  explicit Parser(const std::string& text) : at_(text.data()), end_(at_ + text.size()), all_(at_) {}

  Value Document() {
    Value value = Any(0);
    Space();
    if (at_ != end_) Fail("more text after the end");
    return value;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error("bad JSON at character " + std::to_string(at_ - all_) + ": " + what);
  }

  void Space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }

  char Peek() {
    Space();
    if (at_ == end_) Fail("the text breaks off");
    return *at_;
  }

  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }

  void Expect(char c) {
    if (!Take(c)) Fail(std::string("expected '") + c + "'");
  }

  bool Word(const char* word) {
    const size_t length = std::strlen(word);
    if (static_cast<size_t>(end_ - at_) < length || std::strncmp(at_, word, length) != 0)
      return false;
    at_ += length;
    return true;
  }

  Value Any(int depth) {
    if (depth > kMaxDepth) Fail("nested too deep");
    Value value;
    switch (Peek()) {
      case '{':
        return Object(depth);
      case '[':
        return List(depth);
      case '"':
        value.kind = Value::Kind::kString;
        value.text = Text();
        return value;
      default:
        break;
    }
    if (Word("null")) return value;
    value.kind = Value::Kind::kBool;
    if (Word("true")) {
      value.integer = 1;
      return value;
    }
    if (Word("false")) return value;
    return Number();
  }

  Value Object(int depth) {
    Value value;
    value.kind = Value::Kind::kObject;
    Expect('{');
    if (Take('}')) return value;
    do {
      if (Peek() != '"') Fail("expected a key");
      std::string key = Text();
      Expect(':');
      value.members.emplace_back(std::move(key), Any(depth + 1));
    } while (Take(','));
    Expect('}');
    return value;
  }

  Value List(int depth) {
    Value value;
    value.kind = Value::Kind::kArray;
    Expect('[');
    if (Take(']')) return value;
    do {
      value.items.push_back(Any(depth + 1));
    } while (Take(','));
    Expect(']');
    return value;
  }

  Value Number() {
    const char* begin = at_;
    while (at_ != end_ && *at_ != '\0' && std::strchr("+-.0123456789eE", *at_)) ++at_;
    const std::string digits(begin, at_);
    Value value;
    value.kind = Value::Kind::kNumber;
    char* stop = nullptr;
    value.number = std::strtod(digits.c_str(), &stop);
    if (digits.empty() || *stop != '\0') Fail("expected a value");
    const char* end = digits.data() + digits.size();
    const std::from_chars_result read = std::from_chars(digits.data(), end, value.integer);
    value.is_integer = read.ec == std::errc() && read.ptr == end;
    return value;
  }

  unsigned Hex4() {
    if (end_ - at_ < 4) Fail("the text breaks off");
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = *at_++;
      code *= 16;
      if (c >= '0' && c <= '9') {
        code += c - '0';
      } else if (c >= 'a' && c <= 'f') {
        code += c - 'a' + 10;
      } else if (c >= 'A' && c <= 'F') {
        code += c - 'A' + 10;
      } else {
        Fail("bad \\u escape");
      }
    }
    return code;
  }

  void Unicode(std::string* out) {
    unsigned code = Hex4();
    if (code >= 0xD800 && code < 0xDC00 && Word("\\u")) {
      const unsigned low = Hex4();
      if (low < 0xDC00 || low > 0xDFFF) Fail("half a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000) Fail("half a surrogate pair");
    if (code < 0x80) {
      *out += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const unsigned lead = more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0;
    *out += static_cast<char>(lead | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i)
      *out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }

  std::string Text() {
    std::string out;
    ++at_;  // the quote the caller has seen
    while (true) {
      if (at_ == end_) Fail("the text breaks off");
      const char c = *at_++;
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) Fail("control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ == end_) Fail("the text breaks off");
      static const char kFrom[] = "\"\\/bfnrt";
      static const char kTo[] = "\"\\/\b\f\n\r\t";
      const char escape = *at_++;
      const char* known = escape == '\0' ? nullptr : std::strchr(kFrom, escape);
      if (escape == 'u') {
        Unicode(&out);
      } else if (known) {
        out += kTo[known - kFrom];
      } else {
        Fail("unknown escape");
      }
    }
  }

  const char* at_;
  const char* end_;
  const char* all_;
};

}  // namespace

int64_t Value::Int() const {
  if (kind != Kind::kNumber || !is_integer) throw Error("expected an integer");
  return integer;
}

const std::string& Value::String() const {
  if (kind != Kind::kString) throw Error("expected a string");
  return text;
}

const std::vector<Value>& Value::Array() const {
  if (kind != Kind::kArray) throw Error("expected an array");
  return items;
}

const Value& Value::At(const char* key) const {
  if (kind != Kind::kObject) throw Error("expected an object");
  for (const auto& member : members) {
    if (member.first == key) return member.second;
  }
  throw Error(std::string("no member \"") + key + "\"");
}

Value Parse(const std::string& text) { return Parser(text).Document(); }

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", c);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace json
}  // namespace flexpie
