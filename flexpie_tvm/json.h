// SPDX-License-Identifier: Apache-2.0
/*!
 * \file json.h
 * \brief The JSON that crosses the boundary to the host: nlohmann/json, within bounds.
 *
 * Texts come from outside, so reading them is strict: nothing is nested deeper than 32 levels, no
 * key appears twice in an object, nothing follows the end; members that nobody asks for are
 * ignored. Whatever is wrong is an Error with a sentence; the library's own exceptions end here.
 */
#ifndef FLEXPIE_TVM_JSON_H_
#define FLEXPIE_TVM_JSON_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>

namespace flexpie {
namespace json {

using Value = nlohmann::json;

/*! \brief Says what is wrong with a text or a value; callers give it a place. */
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/*! \brief Reads one whole JSON text. */
Value Parse(const std::string& text);

/*! \brief A number without fraction or exponent that 64 bits hold. */
int64_t Int(const Value& value);
const std::string& String(const Value& value);
/*! \brief The value itself, once it is known to be an array. */
const Value& Array(const Value& value);
const Value& Array(Value&&) = delete;
/*! \brief A member of an object. */
const Value& At(const Value& value, const char* key);

/*! \brief The value in one line. Bytes that are not UTF-8 become U+FFFD. */
std::string Text(const Value& value);

}  // namespace json
}  // namespace flexpie

#endif  // FLEXPIE_TVM_JSON_H_
