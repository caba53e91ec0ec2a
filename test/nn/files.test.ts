/** Saving and loading: what was saved comes back to the bit; a broken, hostile or foreign file changes nothing. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nn, setSeed, type Tensor, variable } from "nabla";
import { encodeElements, encodeSafetensors, parseSafetensors, type RawTensor } from "nabla/io";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

class Net extends nn.Module {
  readonly body = nn.sequential(nn.conv2d(1, 2, { kernel: 2 }), nn.flatten(), nn.linear(8, 3, { dtype: "f64" }));
  readonly steps = variable(7, { dtype: "i32", trainable: false });
  forward(x: Tensor): Tensor {
    return this.body.forward(x);
  }
}

eachDevice("files", () => {
  let folder: string;
  let path: string;
  let model: Net;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "nabla-"));
    path = join(folder, "model.safetensors");
    setSeed(2);
    model = new Net();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const values = (net: Net) => Promise.all(Object.values(net.stateDict()).map((x) => x.data()));
  const raw = (dtype: "f32" | "i32", shape: number[], data: Float32Array | Int32Array) => encodeElements(dtype, shape, data);
  /** The saved file with its tensors changed. */
  const rewrite = async (change: (tensors: Map<string, RawTensor>) => void) => {
    await model.save(path);
    const { tensors } = parseSafetensors(new Uint8Array(await readFile(path)));
    change(tensors);
    await writeFile(path, encodeSafetensors(tensors));
  };
  const expectRefused = async (fields: object, ...words: string[]) => {
    const before = await values(model);
    const error = await model.load(path).then(
      () => null,
      (problem: Error) => problem,
    );
    expect(error).toMatchObject({ op: "load", ...fields });
    for (const word of [path, ...words]) expect(error?.message).toContain(word);
    expect(await values(model)).toEqual(before);
  };

  it("come back to the bit, in names and layout that others read", async () => {
    await model.save(path);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
    const { tensors } = parseSafetensors(new Uint8Array(await readFile(path)));
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]).sort()).toEqual([
      ["body.0.bias", "F32", [2]],
      ["body.0.weight", "F32", [2, 2, 1, 2]],
      ["body.2.bias", "F64", [3]],
      ["body.2.weight", "F64", [8, 3]],
      ["steps", "I32", []],
    ]);
    const saved = await values(model);
    const other = new Net();
    expect(await values(other)).not.toEqual(saved);
    await other.load(path);
    expect(await values(other)).toEqual(saved);
  });

  it("save the values of the moment", async () => {
    const before = await values(model);
    const saving = model.save(path);
    model.steps.assign(8);
    await saving;
    await model.load(path);
    expect(await values(model)).toEqual(before);
  });

  it("in half precision are widened", async () => {
    await rewrite((tensors) => {
      tensors.set("body.0.bias", { dtype: "F16", shape: [2], data: Uint8Array.of(0x00, 0x3c, 0x00, 0xc0) });
    });
    await model.load(path);
    expect(await (model.body[0] as nn.Conv2d).bias?.value.array()).toEqual([1, -2]);
  });

  it("with names missing or too many are refused, unless told otherwise", async () => {
    await rewrite((tensors) => {
      tensors.delete("body.0.bias");
      tensors.set("head.weight", raw("f32", [1], Float32Array.of(1)));
      tensors.set("steps", raw("i32", [], Int32Array.of(9)));
    });
    await expectRefused({ code: "ERR_FORMAT", inputs: [["body.0.bias"], ["head.weight"], []] });
    await model.load(path, { strict: false });
    expect(await model.steps.value.item()).toBe(9);
  });

  it("of other shapes and dtypes are refused, strict or not", async () => {
    await rewrite((tensors) => {
      tensors.set("body.0.bias", raw("f32", [3], new Float32Array(3)));
    });
    await expectRefused({ code: "ERR_SHAPE", inputs: [[], [], ["body.0.bias"]] }, '"body.0.bias" is [2] but was given [3]');
    await expect(model.load(path, { strict: false })).rejects.toMatchObject({ code: "ERR_SHAPE" });
    await rewrite((tensors) => {
      tensors.set("body.2.bias", raw("f32", [3], new Float32Array(3)));
    });
    await expectRefused({ code: "ERR_DTYPE" }, '"body.2.bias" is f64 but was given f32');
  });

  it("truncated anywhere are refused", async () => {
    await model.save(path);
    const bytes = await readFile(path);
    for (const length of [0, 7, 8, 60, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      await expectRefused({ code: "ERR_FORMAT" });
    }
  });

  it("that are hostile are refused", async () => {
    const header = (text: string) => {
      const json = new TextEncoder().encode(text);
      const bytes = new Uint8Array(8 + json.length);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
      bytes.set(json, 8);
      return bytes;
    };
    for (const text of [
      '{"body.0.bias":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}',
      '{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
      "[]",
      "{",
    ]) {
      await writeFile(path, header(text));
      await expectRefused({ code: "ERR_FORMAT" });
    }
    await rewrite((tensors) => {
      tensors.set("steps", { dtype: "I64", shape: [], data: new Uint8Array(8).fill(0x7f) });
    });
    await expectRefused({ code: "ERR_FORMAT" }, 'tensor "steps"');
  });

  it("that are not there say so", async () => {
    await expect(model.load(path)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
