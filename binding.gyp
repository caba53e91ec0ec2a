# The build of released binaries, driven by prebuildify. Sources and the flags of each instruction set are listed in
# native/sources.json, which CMakeLists.txt (the developer's build) reads as well.
{
  "target_defaults": {
    "include_dirs": ["native"],
    # Without -ffp-contract=off the compiler fuses a * b + c where the processor can, and instruction sets disagree.
    "cflags": ["-fvisibility=hidden", "-ffunction-sections", "-ffp-contract=off"],
    "cflags_cc": ["-std=c++17", "-fvisibility-inlines-hidden"],
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
    "msvs_settings": {"VCCLCompilerTool": {"ExceptionHandling": 1, "AdditionalOptions": ["/std:c++17"]}},
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CFLAGS": ["-ffp-contract=off"],
    },
  },
  "targets": [
    {"target_name": "nabla_kernels_base", "variables": {"isa": "base"}, "includes": ["native/isa.gypi"]},
    {
      "target_name": "nabla",
      "dependencies": ["nabla_kernels_base"],
      "sources": ["<!@(node -p \"const { engine, addon } = require('./native/sources.json'); [...engine, ...addon].join(' ')\")"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # SWALLOW_UNTHROWABLE: a worker may be terminated while native code is about to throw into it.
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "conditions": [
        ["target_arch=='x64'", {"dependencies": ["nabla_kernels_avx2", "nabla_kernels_avx512"]}],
        # nodelete: threads of the pool outlive the environment that loaded the addon.
        ["OS=='linux'", {"ldflags": [
          "-static-libstdc++", "-Wl,--version-script=<(module_root_dir)/native/addon/exports.map", "-Wl,--gc-sections", "-Wl,-z,nodelete",
        ]}],
      ],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {"targets": [
      {"target_name": "nabla_kernels_avx2", "variables": {"isa": "avx2"}, "includes": ["native/isa.gypi"]},
      {"target_name": "nabla_kernels_avx512", "variables": {"isa": "avx512"}, "includes": ["native/isa.gypi"]},
    ]}],
  ],
}
