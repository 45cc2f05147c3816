// SPDX-License-Identifier: Apache-2.0
#include "error.h"

#include <gtest/gtest.h>

#include <new>
#include <opencv2/core.hpp>

namespace slimsr {
namespace {

TEST(Escaped, WhatATerminalWouldObey) {
  EXPECT_EQ(Escaped("größe 图 😀.png"), "größe 图 😀.png");
  EXPECT_EQ(Escaped("a\nb\tc\x1b[31m\x7f"), "a\\nb\\tc\\x1b[31m\\x7f");
  EXPECT_EQ(Escaped(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Escaped("\xc2\x9b"), "\\x9b");                           // a control in two bytes
  EXPECT_EQ(Escaped("\xe2\x80\xa8\xe2\x80\xae"), "\\u2028\\u202e");  // a new line, right to left
  EXPECT_EQ(Escaped("\xff\xc3"), "\\xff\\xc3");                      // no UTF-8, or not all of it
  EXPECT_EQ(Escaped("\xc0\x8a"), "\\xc0\\x8a");                      // a new line in disguise
}

TEST(Message, WantOfMemory) {
  EXPECT_NE(Message(std::bad_alloc()).find("not enough memory"), std::string::npos);
  EXPECT_TRUE(IsOutOfMemory(cv::Exception(cv::Error::StsNoMem, "", "", "", 0)));
  EXPECT_FALSE(IsOutOfMemory(cv::Exception(cv::Error::StsBadArg, "", "", "", 0)));
  EXPECT_EQ(Message(std::runtime_error("a\nb")), "a b");
}

}  // namespace
}  // namespace slimsr
