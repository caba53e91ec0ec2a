// What JavaScript hands over, checked: every mismatch is a TypeError "expected X for y but received z".
#pragma once
#include <napi.h>

#include <cmath>
#include <string>

namespace nabla::addon {

inline std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.17g", value.As<Napi::Number>().DoubleValue());
      return digits;
    }
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_bigint:
      return "a bigint";
    case napi_function:
      return "a function";
    case napi_object:
      return value.IsArray() ? "an array" : value.IsTypedArray() ? "a typed array" : "an object";
    case napi_external:
      break;
  }
  return "something else";
}

[[noreturn]] inline void refuse(const Napi::Value& value, const std::string& expected, const std::string& argument) {
  throw Napi::TypeError::New(value.Env(),
                             "expected " + expected + " for " + argument + " but received " + describe(value));
}

inline double to_integer(const Napi::Value& value, double low, double high, const char* argument) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= low && number <= high && number == std::floor(number)) return number;
  }
  char range[96];
  std::snprintf(range, sizeof range, "a whole number from %.17g to %.17g", low, high);
  refuse(value, range, argument);
}

struct Bytes {
  char* data;
  size_t count;
};

// The bytes under a typed array or DataView.
inline Bytes to_bytes(const Napi::Value& value, const char* argument) {
  void* data = nullptr;
  size_t count = 0;
  if (value.IsTypedArray()) {
    // The length that Node-API reports is in elements.
    napi_typedarray_type type;
    if (napi_get_typedarray_info(value.Env(), value, &type, &count, &data, nullptr, nullptr) == napi_ok)
      return {static_cast<char*>(data), count * value.As<Napi::TypedArray>().ElementSize()};
  }
  if (value.IsDataView() && napi_get_dataview_info(value.Env(), value, &count, &data, nullptr, nullptr) == napi_ok)
    return {static_cast<char*>(data), count};
  refuse(value, "a typed array or DataView", argument);
}

struct Doubles {
  const double* data;
  size_t count;
};

inline Doubles to_doubles(const Napi::Value& value, const char* argument) {
  if (value.IsTypedArray()) {
    napi_typedarray_type type;
    void* data = nullptr;
    size_t count = 0;
    if (napi_get_typedarray_info(value.Env(), value, &type, &count, &data, nullptr, nullptr) == napi_ok &&
        type == napi_float64_array)
      return {static_cast<const double*>(data), count};
  }
  refuse(value, "a Float64Array", argument);
}

// The native object of class T behind a JavaScript one. The tag keeps objects of other classes, and of other addons,
// from being taken for one.
template <class T>
T& unwrap(const Napi::Value& value, const std::string& argument) {
  bool is_tagged = false;
  void* native = nullptr;
  if (value.Type() == napi_object && napi_check_object_type_tag(value.Env(), value, &T::kTag, &is_tagged) == napi_ok &&
      is_tagged && napi_unwrap(value.Env(), value, &native) == napi_ok)
    return *static_cast<T*>(native);
  refuse(value, T::kWhat, argument);
}

}  // namespace nabla::addon
