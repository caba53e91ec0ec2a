#include "addon/device.h"

#include <mutex>
#include <system_error>
#include <vector>

#include "addon/arguments.h"
#include "addon/failures.h"
#include "addon/program.h"
#include "addon/storage.h"

namespace nabla::addon {

// Carries news from the conductor to JavaScript. It outlives the environment, whose end closes it: from then on the
// thread-safe function must not be touched, as Node frees it even while another thread calls it.
class DeviceObject::Herald {
 public:
  Herald(Napi::Env env, const Napi::Function& on_settled) : env_(env) {
    const napi_status status = napi_create_threadsafe_function(
        env, on_settled, nullptr, Napi::String::New(env, "nabla"), 0, 1, nullptr, nullptr, this, answer, &function_);
    if (status != napi_ok) throw Napi::Error::New(env);
    napi_unref_threadsafe_function(env, function_);
  }

  // On the conductor: lets JavaScript know, unless it has yet to answer the last call.
  void announce() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (is_closed_ || is_announced_.exchange(true)) return;
    napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }

  // True the first time.
  bool close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !std::exchange(is_closed_, true);
  }

  void keep_alive(bool wanted) {
    if (wanted)
      napi_ref_threadsafe_function(env_, function_);
    else
      napi_unref_threadsafe_function(env_, function_);
  }

  void release() { napi_release_threadsafe_function(function_, napi_tsfn_abort); }

 private:
  static void answer(napi_env env, napi_value on_settled, void* context, void*) {
    if (env == nullptr || on_settled == nullptr) return;
    static_cast<Herald*>(context)->is_announced_.exchange(false);  // reads what `announce` wrote, so sees what ended
    napi_value undefined;
    napi_get_undefined(env, &undefined);
    napi_call_function(env, undefined, on_settled, 0, nullptr, nullptr);
  }

  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  std::atomic<bool> is_announced_{false};
  std::mutex mutex_;
  bool is_closed_ = false;
};

Napi::Function DeviceObject::define(Napi::Env env) {
  return DefineClass(
      env, "Device",
      {InstanceMethod<&DeviceObject::run>("run"), InstanceMethod<&DeviceObject::wait>("wait"),
       InstanceMethod<&DeviceObject::settled>("settled"), InstanceMethod<&DeviceObject::take_failures>("takeFailures"),
       InstanceMethod<&DeviceObject::record>("record"), InstanceMethod<&DeviceObject::take_timings>("takeTimings"),
       InstanceMethod<&DeviceObject::ref>("ref"), InstanceMethod<&DeviceObject::unref>("unref")});
}

DeviceObject::DeviceObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsFunction()) refuse(info[0], "a function", "onSettled");
  herald_ = std::make_shared<Herald>(info.Env(), info[0].As<Napi::Function>());
  queue_ = std::make_shared<Queue>([herald = herald_] { herald->announce(); });
  // Hooks run last in, first out: this one before the hook by which Node frees the thread-safe function.
  info.Env().AddCleanupHook([herald = herald_, queue = queue_] {
    herald->close();
    queue->close();
  });
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

DeviceObject::~DeviceObject() {
  if (queue_ == nullptr || !herald_->close()) return;
  queue_->close();
  herald_->release();
}

Napi::Value DeviceObject::run(const Napi::CallbackInfo& info) {
  std::shared_ptr<Program> program = unwrap<ProgramObject>(info[0], "program").program();
  const Doubles numbers = to_doubles(info[1], "storages");
  if (numbers.count != program->external().size())
    throw Napi::TypeError::New(info.Env(), "expected " + std::to_string(program->external().size()) +
                                               " storages but received " + std::to_string(numbers.count));
  std::vector<StorageRef> storages;
  storages.reserve(numbers.count);
  for (size_t i = 0; i < numbers.count; ++i) storages.emplace_back(&StorageObject::at(info.Env(), numbers.data[i]));
  const bool is_awaited = info[3].ToBoolean();
  // The last: nothing that runs JavaScript may come between looking at these numbers and copying them.
  const Doubles uniforms = to_doubles(info[2], "uniforms");
  try {
    const Ticket ticket =
        queue_->submit_or_run(std::move(program), std::move(storages),
                              std::vector<double>(uniforms.data, uniforms.data + uniforms.count), is_awaited);
    return Napi::Number::New(info.Env(), static_cast<double>(ticket));
  } catch (const std::invalid_argument& error) {
    throw Napi::TypeError::New(info.Env(), error.what());
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), std::string("cannot start a thread: ") + error.what());
  }
}

void DeviceObject::wait(const Napi::CallbackInfo& info) {
  queue_->wait(static_cast<Ticket>(to_integer(info[0], 0, static_cast<double>(queue_->submitted()), "ticket")));
}

Napi::Value DeviceObject::settled(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(queue_->settled()));
}

// Undefined, or a list of { run, ...failure } of runs that have failed since the last call.
Napi::Value DeviceObject::take_failures(const Napi::CallbackInfo& info) {
  const std::vector<FailedRun> failures = queue_->take_failures();
  if (failures.empty()) return info.Env().Undefined();
  const auto list = Napi::Array::New(info.Env(), failures.size());
  for (uint32_t i = 0; i < failures.size(); ++i) {
    Napi::Object object = failure_object(info.Env(), failures[i].failure);
    object.Set("run", static_cast<double>(failures[i].ticket));
    list.Set(i, object);
  }
  return list;
}

void DeviceObject::record(const Napi::CallbackInfo& info) {
  queue_->record(static_cast<size_t>(to_integer(info[0], 0, 1e9, "most")));
}

// Run, instruction, start and duration in nanoseconds of each instruction recorded, one after the other.
Napi::Value DeviceObject::take_timings(const Napi::CallbackInfo& info) {
  const std::vector<Timing> timings = queue_->take_timings();
  auto numbers = Napi::Float64Array::New(info.Env(), 4 * timings.size());
  size_t i = 0;
  for (const Timing& timing : timings) {
    const std::chrono::nanoseconds start = timing.start.time_since_epoch();
    numbers[i++] = static_cast<double>(timing.ticket);
    numbers[i++] = timing.instruction;
    numbers[i++] = static_cast<double>(start.count());
    numbers[i++] = static_cast<double>(timing.duration.count());
  }
  return numbers;
}

void DeviceObject::ref(const Napi::CallbackInfo&) { herald_->keep_alive(true); }
void DeviceObject::unref(const Napi::CallbackInfo&) { herald_->keep_alive(false); }

}  // namespace nabla::addon
