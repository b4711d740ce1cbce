// SPDX-License-Identifier: Apache-2.0
// The bounds of what is read, and that whatever is written is JSON.
#include "json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "random.h"

namespace flexpie {

namespace json {

namespace {

/*! \brief What reading a text complains of; "" if it does not. */
std::string Complaint(const std::string& text) {
  try {
    Parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Json, IsNotNestedTooDeep) {
  for (const size_t depth : {1, 31, 32}) {
    EXPECT_EQ(Complaint(std::string(depth, '[') + std::string(depth, ']')), "");
  }
  for (const size_t depth : {33, 34, 1000000}) {
    EXPECT_EQ(Complaint(std::string(depth, '[')), "bad JSON: nested too deep");
  }
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_EQ(Complaint(objects), "bad JSON: nested too deep");
}

TEST(Json, HasEachKeyOnce) {
  EXPECT_EQ(Complaint(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"), "");
  EXPECT_EQ(Complaint(R"({"a": 1, "b": {}, "a": 1})"),
            "bad JSON: \"a\" appears twice in an object");
  EXPECT_EQ(Complaint(R"([{"b": {"x\n": 1, "x\u000a": 2}}])"),
            "bad JSON: \"x\\n\" appears twice in an object");
}

TEST(Json, EndsWhereItEnds) {
  EXPECT_EQ(Complaint("[1] \n\t "), "");
  EXPECT_EQ(Complaint("[1] ]"), "bad JSON at character 5: unexpected ']'; expected end of input");
  EXPECT_EQ(Complaint(""),
            "bad JSON at character 1: unexpected end of input; expected '[', '{', or a literal");
  EXPECT_EQ(Complaint(std::string("[1]\0[", 5)), "bad JSON at character 4: a zero byte");
}

TEST(Json, IsInUtf8) {
  EXPECT_EQ(Complaint("\"Gr\xC3\xB6\xC3\x9F"
                      "e\""),
            "");
  EXPECT_NE(Complaint("\"Gr\xF6"
                      "sse\""),
            "");
  EXPECT_NE(Complaint(R"("\ud800")"), "");
  EXPECT_EQ(String(Parse(R"("\ud83e\udd67")")), "\xF0\x9F\xA5\xA7");
}

TEST(Json, ComplainsInFewWords) {
  const std::string longer(100000, 'x');
  for (const std::string& text :
       {longer, "\"" + longer, "{\"" + longer, std::string(100000, '9'), "[\"" + longer + "\" 1"}) {
    EXPECT_NE(Complaint(text), "");
    EXPECT_LT(Complaint(text).size(), 220u);
  }
}

TEST(Json, HasIntegersOf64Bits) {
  using Limits = std::numeric_limits<int64_t>;
  EXPECT_EQ(Int(Parse("9223372036854775807")), Limits::max());
  EXPECT_EQ(Int(Parse("-9223372036854775808")), Limits::min());
  EXPECT_EQ(Int(Parse("-0")), 0);
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "18446744073709551616",
                           "1.0", "1e3", "true", "\"1\"", "null"}) {
    EXPECT_THROW(Int(Parse(text)), Error) << text;
  }
}

TEST(Json, IsOfTheKindThatIsAskedFor) {
  const Value value = Parse(R"({"a": [1, "b"]})");
  EXPECT_EQ(String(Array(At(value, "a"))[1]), "b");
  EXPECT_THROW(At(value, "b"), Error);
  EXPECT_THROW(At(At(value, "a"), "b"), Error);
  EXPECT_THROW(Array(value), Error);
  EXPECT_THROW(String(value), Error);
}

TEST(Json, IsWrittenInOneLineThatIsReadBack) {
  for (const uint64_t seed : Seeds(300)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::string text;
    for (int64_t i = Between(&random, 0, 20); i > 0; --i) {
      text += static_cast<char>(Between(&random, 0, 127));
    }
    const Value value = {{text,
                          {text, Between(&random, std::numeric_limits<int64_t>::min(),
                                         std::numeric_limits<int64_t>::max())}}};
    const std::string written = Text(value);
    EXPECT_EQ(written.find('\n'), std::string::npos);
    EXPECT_EQ(Parse(written), value);
    const std::vector<char> noise = RandomBytes(&random, 20);
    EXPECT_EQ(Complaint(Text(std::string(noise.begin(), noise.end()))), "");
  }
}

}  // namespace

}  // namespace json

}  // namespace flexpie
