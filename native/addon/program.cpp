#include "addon/program.h"

#include <new>
#include <string>
#include <vector>

#include "addon/arguments.h"
#include "addon/failures.h"
#include "engine/isa.h"

namespace nabla::addon {

Napi::Function ProgramObject::define(Napi::Env env) { return DefineClass(env, "Program", {}); }

ProgramObject::ProgramObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[1].IsArray()) refuse(info[1], "an array of strings", "names");
  const auto list = info[1].As<Napi::Array>();
  std::vector<std::string> names;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value name = list[i];
    if (!name.IsString()) refuse(name, "a string", "names[" + std::to_string(i) + "]");
    names.push_back(name.As<Napi::String>().Utf8Value());
  }
  const Doubles words = to_doubles(info[0], "words");  // last: nothing that runs JavaScript may come after it
  try {
    program_ = std::make_shared<Program>(words.data, words.count, names, active_kernels());
  } catch (const MalformedProgram& malformed) {
    const auto error = Napi::Error::New(info.Env(), malformed.what());
    error.Value().Set("instruction", malformed.instruction);
    throw error;
  } catch (const std::bad_alloc&) {
    throw out_of_memory(info.Env(), static_cast<double>(words.count) * sizeof(double));
  }
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

}  // namespace nabla::addon
