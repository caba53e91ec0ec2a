#include "addon/storage.h"

#include <cstring>
#include <new>
#include <vector>

#include "addon/arguments.h"
#include "addon/failures.h"

namespace nabla::addon {
namespace {

constexpr double kMostBytes = 9007199254740991;  // 2^53 - 1

// All objects of the thread, whose environment they belong to, by number; null where one is free.
thread_local std::vector<const StorageObject*> objects;
thread_local std::vector<size_t> free_numbers;

Bytes within(const Napi::Value& value, const char* argument, const Storage& storage) {
  const Bytes bytes = to_bytes(value, argument);
  if (bytes.count > storage.bytes())
    throw Napi::RangeError::New(value.Env(), "expected at most " + std::to_string(storage.bytes()) + " bytes for " +
                                                 argument + " but received " + std::to_string(bytes.count));
  return bytes;
}

}  // namespace

Napi::Function StorageObject::define(Napi::Env env) {
  return DefineClass(
      env, "Storage",
      {InstanceMethod<&StorageObject::write>("write"), InstanceMethod<&StorageObject::read>("read"),
       InstanceMethod<&StorageObject::free>("free"), InstanceMethod<&StorageObject::allocate>("allocate")});
}

StorageObject::StorageObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  allocate(info);
  if (free_numbers.empty()) {
    number_ = objects.size();
    objects.push_back(this);
  } else {
    number_ = free_numbers.back();
    free_numbers.pop_back();
    objects[number_] = this;
  }
  info.This().As<Napi::Object>().Set("number", static_cast<double>(number_));
}

void StorageObject::allocate(const Napi::CallbackInfo& info) {
  const double bytes = to_integer(info[0], 0, kMostBytes, "bytes");
  if (storage_.get() != nullptr) throw Napi::Error::New(info.Env(), "the storage has not been freed");
  try {
    storage_ = StorageRef::adopt(new Storage(static_cast<size_t>(bytes)));
  } catch (const std::bad_alloc&) {
    throw out_of_memory(info.Env(), bytes);
  }
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), static_cast<int64_t>(bytes));
}

StorageObject::~StorageObject() {
  release(Env());
  if (number_ >= objects.size() || objects[number_] != this) return;  // its constructor threw
  objects[number_] = nullptr;
  free_numbers.push_back(number_);
}

Storage& StorageObject::storage(Napi::Env env) const {
  if (storage_.get() == nullptr) throw Napi::Error::New(env, "the storage has been freed");
  return *storage_;
}

Storage& StorageObject::at(Napi::Env env, double number) {
  const bool is_number = number >= 0 && number < static_cast<double>(objects.size());
  const StorageObject* const object = is_number ? objects[static_cast<size_t>(number)] : nullptr;
  if (object == nullptr) throw Napi::TypeError::New(env, "expected numbers of storages");
  return object->storage(env);
}

void StorageObject::write(const Napi::CallbackInfo& info) {
  Storage& own = storage(info.Env());
  const Bytes source = within(info[0], "source", own);
  if (own.is_shared()) throw Napi::Error::New(info.Env(), "the storage is in use by runs that have not ended");
  if (source.count > 0) std::memcpy(own.data(), source.data, source.count);
  own.failure.reset();
  own.restamp();
}

// Copies out and returns undefined, or the failure of the run that should have written the storage.
Napi::Value StorageObject::read(const Napi::CallbackInfo& info) {
  const Storage& own = storage(info.Env());
  const Bytes target = within(info[0], "target", own);
  if (own.writers.load(std::memory_order_acquire) > 0)
    throw Napi::Error::New(info.Env(), "the storage is still being written by a run that has not ended");
  if (own.failure) return failure_object(info.Env(), *own.failure);
  if (target.count > 0) std::memcpy(target.data, own.data(), target.count);
  return info.Env().Undefined();
}

void StorageObject::free(const Napi::CallbackInfo& info) { release(info.Env()); }

void StorageObject::release(Napi::Env env) {
  if (storage_.get() == nullptr) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(storage_->bytes()));
  storage_.reset();
}

}  // namespace nabla::addon
