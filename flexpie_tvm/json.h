// SPDX-License-Identifier: Apache-2.0
/*!
 * \file json.h
 * \brief The little JSON that crosses the boundary to the host.
 *
 * dmlc/json.h is not used for reading: it knows neither null nor \uXXXX (Python writes both) and
 * takes a text that breaks off inside an object for a whole one.
 */
#ifndef FLEXPIE_TVM_JSON_H_
#define FLEXPIE_TVM_JSON_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace flexpie {
namespace json {

/*! \brief Says what is wrong with a text or a value; callers give it a place. */
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/*! \brief A parsed value. Accessors throw Error when the value is of another kind. */
class Value {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  double number = 0;
  int64_t integer = 0;
  bool is_integer = false;
  std::string text;
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;

  bool is_null() const { return kind == Kind::kNull; }
  int64_t Int() const;
  const std::string& String() const;
  const std::vector<Value>& Array() const;
  /*! \brief A member of an object; throws if it is missing. Those nobody asks for are ignored. */
  const Value& At(const char* key) const;
};

/*! \brief Reads one whole JSON text. */
Value Parse(const std::string& text);

/*! \brief The text as a JSON string, quotes included; never contains a line break. */
std::string Quote(const std::string& text);

}  // namespace json
}  // namespace flexpie

#endif  // FLEXPIE_TVM_JSON_H_
