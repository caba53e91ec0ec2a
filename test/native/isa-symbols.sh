#!/bin/sh
# isa-symbols.sh ISA OBJECT...: fails if an object compiled for an instruction set defines a weak symbol outside of
# nabla::ISA. The linker keeps one of equal weak symbols, maybe that of a newer processor, and runs it on older ones.
isa=$1
shift
status=0
for object in "$@"; do
  found=$(nm "$object" | grep -E ' [WVu] ' | grep -vE " (_Z[A-Z]*NK?5nabla${#isa}${isa}|DW\.ref)" | c++filt)
  if [ -n "$found" ]; then
    echo "$object:"
    echo "$found"
    status=1
  fi
done
exit $status
