// SPDX-License-Identifier: Apache-2.0
/*!
 * \file caught.h
 * \brief Errors of the runtime as the host reads them.
 */
#ifndef FLEXPIE_TESTS_CAUGHT_H_
#define FLEXPIE_TESTS_CAUGHT_H_

#include <gtest/gtest.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <string>

namespace flexpie {

struct Caught {
  std::string kind;
  int board = -1;
  int peer = -1;
  int exchange = -1;
  std::string sentence;
};

/*! \brief The error that a call ends with; a failure of the test if it is none of ours. */
template <typename Call>
Caught ErrorOf(Call call) {
  std::string text;
  try {
    call();
    ADD_FAILURE() << "there was no error";
    return {};
  } catch (const std::exception& error) {
    text = error.what();
  }
  const std::string mark = "FLEXPIE_ERROR ";
  const size_t begin = text.find(mark);
  const size_t end = text.find("} ", begin);
  if (begin == std::string::npos || end == std::string::npos) {
    ADD_FAILURE() << "an error of somebody else: " << text;
    return {};
  }
  const auto place =
      nlohmann::json::parse(text.substr(begin + mark.size(), end + 1 - begin - mark.size()));
  const size_t line = text.find('\n', end);
  return {place.at("kind").get<std::string>(), place.at("board").get<int>(),
          place.at("peer").get<int>(), place.at("exchange").get<int>(),
          text.substr(end + 2, line == std::string::npos ? line : line - end - 2)};
}

}  // namespace flexpie

#endif  // FLEXPIE_TESTS_CAUGHT_H_
