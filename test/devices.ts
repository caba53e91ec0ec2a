/** Runs a suite on every device there is: each test must hold on the native CPU and on the TypeScript reference alike. */
import { type DeviceName, getDevice, setDevice } from "nabla";
import { afterAll, beforeAll, describe } from "vitest";

const only = process.env.NABLA_TEST_DEVICE as DeviceName | undefined;
export const testedDevices: readonly DeviceName[] = only === undefined ? ["cpu", "reference"] : [only];

export function eachDevice(name: string, suite: (device: DeviceName) => void): void {
  for (const device of testedDevices) {
    describe(`${name} on ${device}`, () => {
      let before: DeviceName;
      beforeAll(() => {
        before = getDevice();
        setDevice(device);
      });
      afterAll(() => setDevice(before));
      suite(device);
    });
  }
}
