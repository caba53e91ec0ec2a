/** Storages of the native device: what has been freed is refused, also when another storage has taken its place. */
import { describe, expect, it } from "vitest";
import { DeviceError, OutOfMemoryError } from "../../lib/base/errors.js";
import { NativeDevice } from "../../lib/runtime/native.js";
import { testedDevices } from "../devices.js";

describe.runIf(testedDevices.includes("cpu"))("storages", () => {
  const valuesOf = (device: NativeDevice, storage: ReturnType<NativeDevice["allocate"]>) => {
    const target = new Float32Array(4);
    device.read(storage, target);
    return [...target];
  };

  it("that were freed are refused, and those allocated next are not touched by that", () => {
    const device = new NativeDevice();
    const before = device.stats().storageBytes;
    for (let round = 0; round < 200; round++) {
      const old = device.allocate(16);
      device.write(old, Float32Array.of(1, 2, 3, 4));
      device.free(old);
      const next = device.allocate(16 + 16 * (round % 5));
      device.write(next, Float32Array.of(5, 6, 7, 8));
      expect(() => device.free(old)).toThrow(DeviceError);
      expect(() => device.read(old, new Float32Array(4))).toThrow(DeviceError);
      expect(() => device.write(old, new Float32Array(4))).toThrow(DeviceError);
      expect(valuesOf(device, next)).toEqual([5, 6, 7, 8]);
      device.free(next);
    }
    expect(device.stats().storageBytes).toBe(before);
  });

  it("can be allocated after one that was too large", () => {
    const device = new NativeDevice();
    device.free(device.allocate(16));
    expect(() => device.allocate(2 ** 50)).toThrow(OutOfMemoryError);
    const storage = device.allocate(16);
    device.write(storage, Float32Array.of(1, 2, 3, 4));
    expect(valuesOf(device, storage)).toEqual([1, 2, 3, 4]);
    device.free(storage);
  });
});
