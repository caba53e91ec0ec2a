#!/bin/sh
# Fails if an object compiled for one instruction set defines a symbol that the linker may merge with those of others:
# weak code for a newer processor would then run on older ones.
status=0
for object in "$@"; do
  found=$(nm -C "$object" | grep -E ' [WVu] ' | grep -v 'DW\.ref')
  if [ -n "$found" ]; then
    echo "$object:"
    echo "$found"
    status=1
  fi
done
exit $status
