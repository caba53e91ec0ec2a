# The kernels for the instruction set `isa`, which the including target sets.
{
  "type": "static_library",
  "defines": ["NABLA_ISA=<(isa)"],
  "sources": ["<!@(node -p \"require('./native/sources.json').kernels.join(' ')\")"],
  "variables": {
    "gcc_flags": ["<!@(node -p \"require('./native/sources.json').isa['<(target_arch)']['<(isa)'].gcc.join(' ')\")"],
    "msvc_flags": ["<!@(node -p \"require('./native/sources.json').isa['<(target_arch)']['<(isa)'].msvc.join(' ')\")"],
  },
  "cflags": ["<@(gcc_flags)"],
  "xcode_settings": {"OTHER_CFLAGS": ["<@(gcc_flags)"]},
  "msvs_settings": {"VCCLCompilerTool": {"AdditionalOptions": ["<@(msvc_flags)"]}},
}
