// Program for JavaScript: the words of lib/runtime/encode.ts, made ready for the kernels of this processor.
#pragma once
#include <napi.h>

#include <memory>

#include "engine/program.h"

namespace nabla::addon {

// new Program(words: Float64Array, names: string[]); throws an error whose `instruction` is the one to blame, or -1.
class ProgramObject : public Napi::ObjectWrap<ProgramObject> {
 public:
  static constexpr napi_type_tag kTag = {0x1b64e2f09c7a4d35, 0x8e2057c3fb1a9d46};
  static constexpr const char* kWhat = "a Program";
  static Napi::Function define(Napi::Env env);

  explicit ProgramObject(const Napi::CallbackInfo& info);
  const std::shared_ptr<Program>& program() const { return program_; }

 private:
  std::shared_ptr<Program> program_;
};

}  // namespace nabla::addon
