// The addon: Storage, Program and Device for one JavaScript environment. Threads and memory belong to the process.
#include <napi.h>

#include "addon/arguments.h"
#include "addon/device.h"
#include "addon/program.h"
#include "addon/storage.h"
#include "engine/engine.h"
#include "engine/isa.h"

namespace nabla::addon {

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) {
    try {
      active_kernels();
      Engine::get();
    } catch (const std::exception& error) {
      throw Napi::Error::New(env, error.what());
    }
    DefineAddon(exports, {InstanceValue("Storage", StorageObject::define(env)),
                          InstanceValue("Program", ProgramObject::define(env)),
                          InstanceValue("Device", DeviceObject::define(env)), InstanceMethod<&Addon::info>("info"),
                          InstanceMethod<&Addon::set_threads>("setThreads")});
  }

 private:
  // { isa, isas, threads, kernels, tileOps, storageBytes, sharedBytes }: what this build and this processor offer.
  Napi::Value info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const KernelSet& set = active_kernels();
    const auto result = Napi::Object::New(env);
    result.Set("isa", set.isa);
    const auto isas = Napi::Array::New(env);
    for (const KernelSet* supported : supported_kernels()) isas.Set(isas.Length(), supported->isa);
    result.Set("isas", isas);
    result.Set("threads", Engine::get().threads());
    const auto kernels = Napi::Array::New(env);
    for (int i = 0; i < set.count; ++i) kernels.Set(static_cast<uint32_t>(i), set.kernels[i]->name);
    result.Set("kernels", kernels);
    const auto tile_ops = Napi::Object::New(env);
    for (const TileOpName& op : tile_op_names) tile_ops.Set(op.name, op.arity);
    result.Set("tileOps", tile_ops);
    result.Set("storageBytes", static_cast<double>(storage_pool().lent()));
    result.Set("sharedBytes", static_cast<double>(Engine::get().shared_bytes()));
    return result;
  }

  void set_threads(const Napi::CallbackInfo& info) {
    Engine::get().set_threads(static_cast<int>(to_integer(info[0], 1, Engine::kMaxThreads, "threads")));
  }
};

NODE_API_NAMED_ADDON(nabla, Addon)

}  // namespace nabla::addon
