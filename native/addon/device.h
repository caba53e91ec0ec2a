// Device for JavaScript: a queue of runs, and the news of their ends.
#pragma once
#include <napi.h>

#include <memory>

#include "engine/engine.h"

namespace nabla::addon {

// new Device(onSettled): run(program, storages, uniforms, isAwaited) → ticket, wait(ticket), settled(), takeFailures(),
// record(most) and takeTimings(), and ref() and unref() for whether the process must stay alive until onSettled has
// been called.
class DeviceObject : public Napi::ObjectWrap<DeviceObject> {
 public:
  static constexpr napi_type_tag kTag = {0x52c8a9d37e014fb6, 0xb7f6130a8d2e4c95};
  static constexpr const char* kWhat = "a Device";
  static Napi::Function define(Napi::Env env);

  explicit DeviceObject(const Napi::CallbackInfo& info);
  ~DeviceObject() override;

 private:
  class Herald;

  Napi::Value run(const Napi::CallbackInfo& info);
  void wait(const Napi::CallbackInfo& info);
  Napi::Value settled(const Napi::CallbackInfo& info);
  Napi::Value take_failures(const Napi::CallbackInfo& info);
  void record(const Napi::CallbackInfo& info);
  Napi::Value take_timings(const Napi::CallbackInfo& info);
  void ref(const Napi::CallbackInfo& info);
  void unref(const Napi::CallbackInfo& info);

  std::shared_ptr<Herald> herald_;
  std::shared_ptr<Queue> queue_;
};

}  // namespace nabla::addon
