// Failures as JavaScript sees them.
#pragma once
#include <napi.h>

#include <string>

#include "engine/memory.h"

namespace nabla::addon {

// { ticket, instruction, code, value, limit }: see RunFailure.
inline Napi::Object failure_object(Napi::Env env, const RunFailure& failure) {
  const auto object = Napi::Object::New(env);
  object.Set("ticket", static_cast<double>(failure.ticket));
  object.Set("instruction", failure.instruction);
  object.Set("code", failure.code == RunFailure::Code::index ? "index" : "out-of-memory");
  object.Set("value", failure.value);
  object.Set("limit", failure.limit);
  return object;
}

// An error with `code` "out-of-memory".
inline Napi::Error out_of_memory(Napi::Env env, double bytes) {
  char text[64];
  std::snprintf(text, sizeof text, "cannot allocate %.17g bytes", bytes);
  const auto error = Napi::Error::New(env, text);
  error.Value().Set("code", "out-of-memory");
  return error;
}

}  // namespace nabla::addon
