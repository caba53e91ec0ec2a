// Storage for JavaScript: bytes that live until `free`, or until the object is unreachable.
#pragma once
#include <napi.h>

#include "engine/memory.h"

namespace nabla::addon {

// new Storage(bytes): write(source), read(target), free(), and allocate(bytes) after that, which makes it as good as
// new.
class StorageObject : public Napi::ObjectWrap<StorageObject> {
 public:
  static constexpr napi_type_tag kTag = {0x7d1f0c5a2b9e4e61, 0x9a3c58d1640f7b21};
  static constexpr const char* kWhat = "a Storage";
  static Napi::Function define(Napi::Env env);

  explicit StorageObject(const Napi::CallbackInfo& info);
  ~StorageObject() override;

  // Throws if it has been freed.
  Storage& storage(const Napi::Value& self) const;

 private:
  void write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void free(const Napi::CallbackInfo& info);
  void allocate(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  StorageRef storage_;
};

}  // namespace nabla::addon
