// SPDX-License-Identifier: Apache-2.0
// Where there is no libFuzzer: replays files, and changed copies of them that a seed decides.
// Usage: TARGET COPIES SEED FILE...   Prints how many inputs there were.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937;

size_t Below(Random *random, size_t end) { return (*random)() % std::max<size_t>(end, 1); }

void Mutate(Random *random, Bytes *bytes) {
  constexpr uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff};
  for (size_t i = 1 + Below(random, 6); i > 0 && !bytes->empty(); --i) {
    // Headers are at the beginning: half of the changes go there.
    const size_t end = Below(random, 2) == 0 ? std::min<size_t>(bytes->size(), 128) : bytes->size();
    const size_t at = Below(random, end);
    const size_t length = std::min(bytes->size() - at, 1 + Below(random, 40));
    const auto first = bytes->begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = first + static_cast<std::ptrdiff_t>(length);
    switch (Below(random, 6)) {
      case 0:
        *first ^= static_cast<uint8_t>(1U << Below(random, 8));
        break;
      case 1:
        *first = kTelling[Below(random, std::size(kTelling))];
        break;
      case 2:
        *first = static_cast<uint8_t>((*random)());
        break;
      case 3:
        bytes->erase(first, last);
        break;
      case 4: {
        const Bytes copy(first, last);
        bytes->insert(first, copy.begin(), copy.end());
        break;
      }
      default:
        bytes->resize(at);
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fprintf(stderr, "Usage: %s COPIES SEED FILE...\n", argv[0]);
    return 2;
  }
  Random random(static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)));
  int inputs = 0;
  for (int i = 3; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const Bytes whole{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    LLVMFuzzerTestOneInput(whole.data(), whole.size());
    for (int copy = std::atoi(argv[1]); copy > 0; --copy) {
      Bytes changed = whole;
      Mutate(&random, &changed);
      // What a sanitizer finds can be looked at.
      if (const char *kept = std::getenv("SLIMSR_FUZZ_KEEP")) {
        std::ofstream(kept, std::ios::binary)
            .write(reinterpret_cast<const char *>(changed.data()),
                   static_cast<std::streamsize>(changed.size()));
      }
      LLVMFuzzerTestOneInput(changed.data(), changed.size());
      ++inputs;
    }
    ++inputs;
  }
  std::printf("%d inputs\n", inputs);
  return 0;
}
