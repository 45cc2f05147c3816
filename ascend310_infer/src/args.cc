// SPDX-License-Identifier: Apache-2.0
#include "args.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <set>
#include <sstream>

#include "error.h"

namespace slimsr {

namespace {

using Setter = std::function<void(const std::string &flag, const std::string &value)>;

struct Flag {
  std::string name, value, help;
  Setter set;
};

[[noreturn]] void Refuse(const std::string &flag, const std::string &given,
                         const std::string &expected) {
  throw InputError(flag + " " + (given.empty() ? "''" : given) + ", expected " + expected +
                   "; see --help");
}

Setter Text(std::string *target) {
  return [=](const std::string &flag, const std::string &value) {
    if (value.empty()) {
      Refuse(flag, value, "a path");
    }
    *target = value;
  };
}

template <class Target>
Setter OneOf(Target *target, std::vector<std::string> choices) {
  return [=](const std::string &flag, const std::string &value) {
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      const auto join = [](const std::string &a, const std::string &b) { return a + ", " + b; };
      Refuse(flag, value,
             "one of " + std::accumulate(choices.begin() + 1, choices.end(), choices[0], join));
    }
    *target = value;
  };
}

std::optional<int> WholeNumber(const std::string &text, int least, int most) {
  int number = 0;
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < least || number > most) {
    return std::nullopt;
  }
  return number;
}

Setter Whole(std::optional<int> *target, int least, int most) {
  return [=](const std::string &flag, const std::string &value) {
    *target = WholeNumber(value, least, most);
    if (!*target) {
      Refuse(flag, value,
             "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
  };
}

Setter Devices(std::vector<int> *target) {
  return [=](const std::string &flag, const std::string &value) {
    target->clear();
    std::istringstream parts(value + ",");  // so that an empty last one is seen
    for (std::string part; std::getline(parts, part, ',');) {
      const std::optional<int> number = WholeNumber(part, 0, 1023);
      if (!number || std::count(target->begin(), target->end(), *number) > 0) {
        Refuse(flag, value, "whole numbers from 0 to 1023, each once, as 0 or 0,1");
      }
      target->push_back(*number);
    }
  };
}

Setter Positive(std::optional<double> *target, double most) {
  return [=](const std::string &flag, const std::string &value) {
    std::istringstream stream(value);
    stream.imbue(std::locale::classic());
    double number = 0;
    stream >> std::noskipws >> number;
    if (stream.fail() || !stream.eof() || !(number > 0) || number > most) {
      std::ostringstream expected;
      expected << "a number above 0, at most " << most;
      Refuse(flag, value, expected.str());
    }
    *target = number;
  };
}

std::vector<Flag> Flags(Options *o) {
  return {
      {"--model", "PATH", "a model listed in the manifest.json beside it, or the folder (bundle)",
       Text(&o->model)},
      {"--input", "PATH", "a picture, or a folder of pictures with all that is below it",
       Text(&o->input)},
      {"--output", "DIR", "where the enlarged pictures go, in the folders of the input",
       Text(&o->output)},
      {"--engine", "NAME",
       "auto, lite (MINDIR), acl (.om) or openvino (ONNX); auto: by the models that are there",
       OneOf(&o->engine, {"auto", "lite", "acl", "openvino"})},
      {"--device", "NAME", "Ascend or CPU; default: Ascend with lite and acl, CPU with openvino",
       OneOf(&o->device, {"Ascend", "CPU"})},
      {"--device_id", "N[,N]",
       "which Ascend devices, from 0; several share the pictures, as 0,1 do the two of a 300I Duo",
       Devices(&o->device_ids)},
      {"--width", "W", "of a bundle: the model of this width; default: the widest",
       Positive(&o->width, 1)},
      {"--budget_ms", "B",
       "of a bundle: the widest model whose network takes B ms at most, measured now, for the "
       "largest picture",
       Positive(&o->budget_ms, 1e9)},
      {"--tile", "N",
       "side of a tile in pixels of the input, at most; default: the model's own, else 128",
       Whole(&o->tile, 8, 4096)},
      {"--overlap", "N",
       "context around the kept part of a tile; default: the manifest's margin, at most 40, less "
       "in "
       "small tiles; below the margin, neighbouring tiles are cross-faded",
       Whole(&o->overlap, 0, 1024)},
      {"--batch", "N", "tiles per run of the network; default: the model's own, else 1",
       Whole(&o->batch, 1, 256)},
      {"--precision", "P",
       "of the arithmetic: f32, f16, bf16 (openvino alone); default: f32 on a CPU, what the "
       "converter "
       "has chosen on Ascend; acl knows no other",
       OneOf(&o->precision, {"f32", "f16", "bf16"})},
      {"--config", "FILE", "config file of MindSpore Lite (lite alone)", Text(&o->config)},
      {"--format", "F",
       "of the results: png, jpg (quality 95), webp (without loss) or tiff; default png",
       OneOf(&o->format, {"png", "jpg", "webp", "tiff"})},
      {"--report", "FILE",
       "sizes, times and errors as JSON; default: report.json in the output folder",
       Text(&o->report)},
      {"--profile", "DIR",
       "folder for the time of each layer: layers.json by openvino, raw times for CANN's msprof on "
       "Ascend",
       Text(&o->profile)},
  };
}

size_t EditDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

[[noreturn]] void RefuseUnknown(const std::string &given, const std::vector<Flag> &flags) {
  const auto nearest =
      std::min_element(flags.begin(), flags.end(), [&](const Flag &a, const Flag &b) {
        return EditDistance(given, a.name) < EditDistance(given, b.name);
      });
  constexpr size_t kSimilar = 3;
  throw InputError("unknown argument " + given + ", expected " +
                   (EditDistance(given, nearest->name) <= kSimilar ? nearest->name : "a flag") +
                   "; see --help");
}

}  // namespace

Options ParseArgs(const std::vector<std::string> &arguments) {
  Options options;
  const std::vector<Flag> flags = Flags(&options);
  std::set<std::string> seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--help" || arguments[i] == "-h") {
      options.help = true;
      return options;
    }
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    const auto flag = std::find_if(flags.begin(), flags.end(),
                                   [&](const Flag &candidate) { return candidate.name == name; });
    if (flag == flags.end()) {
      RefuseUnknown(name, flags);
    }
    if (!seen.insert(name).second) {
      throw InputError(name + " is given twice, expected it once; remove one");
    }
    if (equals != std::string::npos) {
      flag->set(name, arguments[i].substr(equals + 1));
    } else if (i + 1 < arguments.size() && arguments[i + 1].rfind("--", 0) != 0) {
      flag->set(name, arguments[++i]);
    } else {
      throw InputError(name + " has no value, expected " + name + " " + flag->value +
                       "; see --help");
    }
  }
  for (const char *needed : {"--model", "--input", "--output"}) {
    if (seen.count(needed) == 0) {
      throw InputError(std::string("no ") + needed +
                       ", expected --model, --input and --output; see --help");
    }
  }
  if (options.width && options.budget_ms) {
    throw InputError("--width and --budget_ms are both given, expected one of them; remove one");
  }
  return options;
}

std::string HelpText() {
  std::ostringstream text;
  text << "Usage: main --model PATH --input PATH --output DIR [options]\n"
          "Enlarges pictures by a super-resolution network.\n\n";
  Options defaults;
  for (const Flag &flag : Flags(&defaults)) {
    std::string head = "  " + flag.name + " " + flag.value;
    head.resize(std::max<size_t>(head.size() + 2, 22), ' ');
    text << head << flag.help << "\n";
  }
  text << "\nThe report holds milliseconds per picture: pre (read, cut), infer (network), post "
          "(put\n"
          "together, write). Exit codes: 0 done; 2 something given is wrong, be it one picture;\n"
          "1 anything else. What can be done is done.\n";
  return text.str();
}

}  // namespace slimsr
