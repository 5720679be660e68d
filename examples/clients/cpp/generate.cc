// Writes on from a prompt with a SavedModel that kerasrnn exported, in C++ with TensorFlow's library and nothing else.
//
//   generate FOLDER [NAME=VALUE ...]
//   generate moby/serving/1 "prompt=Call me " temperature=0.8 top_p=0.95 seed=7
//
// FOLDER is that of a version. The library and its headers come with TensorFlow's Python package:
//
//   TF=$(python -c "import tensorflow; print(tensorflow.sysconfig.get_lib())")
//   g++ -std=c++17 -O1 -w generate.cc -o generate -isystem "$TF/include" -Wl,--no-as-needed,-rpath,"$TF" -L "$TF" \
//       -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session_options.h"

using tensorflow::Tensor;

[[noreturn]] void fail(const std::string& message) {
  std::cerr << "Error: " << message << std::endl;
  std::exit(1);
}

void check(const absl::Status& status) {
  if (!status.ok()) fail(std::string(status.message()));  // the graph checks its inputs, and names the one that is wrong
}

// One row of an input. A number is read as a whole: "7x" is none.
Tensor row(const std::string& name, const std::string& value, tensorflow::DataType type) {
  Tensor tensor(type, {1});
  size_t read = value.size();
  try {
    if (type == tensorflow::DT_STRING) tensor.vec<tensorflow::tstring>()(0) = value;
    else if (type == tensorflow::DT_INT64) tensor.vec<int64_t>()(0) = std::stoll(value, &read);
    else if (type == tensorflow::DT_INT32) tensor.vec<int32_t>()(0) = std::stoi(value, &read);
    else tensor.vec<float>()(0) = std::stof(value, &read);
  } catch (const std::exception&) {
    read = std::string::npos;
  }
  if (read != value.size()) fail(name + ": expected a number in range; received \"" + value + "\"");
  return tensor;
}

int main(int argc, char** argv) {
  if (argc < 2) fail("expected FOLDER [NAME=VALUE ...], as moby/serving/1 \"prompt=Call me \" seed=7");
  std::map<std::string, std::string> settings = {
      {"prompt", ""}, {"max_new_tokens", "200"}, {"temperature", "1"}, {"top_k", "0"}, {"top_p", "1"},
      {"min_p", "0"}, {"repetition_penalty", "1"}, {"stop", ""}, {"seed", "0"},
  };
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i], name = option.substr(0, option.find('='));
    if (name.size() == option.size() || !settings.count(name)) fail(option + ": expected NAME=VALUE, as seed=7");
    settings[name] = option.substr(name.size() + 1);
  }

  tensorflow::SavedModelBundleLite model;
  check(tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &model));
  const auto signature = model.GetSignatures().find("generate");
  if (signature == model.GetSignatures().end()) fail("expected a language model with a tokenizer; received one without texts");
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& [name, info] : signature->second.inputs())
    inputs.emplace_back(info.name(), row(name, settings.at(name), info.dtype()));

  std::vector<Tensor> outputs;
  check(model.GetSession()->Run(inputs, {signature->second.outputs().at("text").name()}, {}, &outputs));
  std::cout << std::string(outputs[0].vec<tensorflow::tstring>()(0)) << std::endl;
}
