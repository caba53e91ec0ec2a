// Storage for JavaScript: bytes that live until `free`, or until the object is unreachable.
#pragma once
#include <napi.h>

#include "engine/memory.h"

namespace nabla::addon {

// new Storage(bytes): write(source), read(target), free(), and allocate(bytes) after that, which makes it as good as
// new. `number` is what runs name it by: taking hundreds of objects apart would take longer than many a run.
class StorageObject : public Napi::ObjectWrap<StorageObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit StorageObject(const Napi::CallbackInfo& info);
  ~StorageObject() override;

  // The storage of that number, of this thread's environment; throws if there is none or it has been freed.
  static Storage& at(Napi::Env env, double number);

 private:
  void write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void free(const Napi::CallbackInfo& info);
  void allocate(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  Storage& storage(Napi::Env env) const;

  StorageRef storage_;
  size_t number_;
};

}  // namespace nabla::addon
