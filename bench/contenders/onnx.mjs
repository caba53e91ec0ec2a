/**
 * A network of workloads.mjs, or an operation of kernels.mjs, as an ONNX file, written as protocol buffers by hand: the few messages and fields that it takes.
 * Source: onnx.proto of ONNX 1.12, operator set 13; protobuf.dev/programming-guides/encoding.
 */

/**
 * @import { Kernel } from "../kernels.mjs"
 * @import { Layer } from "../workloads.mjs"
 */

/** @param {number} value @returns {number[]} seven bits a byte, the lowest first */
const varint = (value) => (value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]);

const utf8 = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** A field that holds a whole number, and one that holds bytes: text or a message. */
const whole = (/** @type {number} */ field, /** @type {number} */ value) => Buffer.from([...varint(field * 8), ...varint(value)]);
const bytes = (/** @type {number} */ field, /** @type {string | Uint8Array | Uint8Array[]} */ content) => {
  const data = typeof content === "string" ? utf8(content) : Array.isArray(content) ? Buffer.concat(content) : content;
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(data.length)]), data]);
};

const float = 1;
const attributeType = { int: 2, ints: 7 };

/** @param {string} name @param {number | number[]} value */
function attribute(name, value) {
  const data = Array.isArray(value)
    ? [...value.map((v) => whole(8, v)), whole(20, attributeType.ints)]
    : [whole(3, value), whole(20, attributeType.int)];
  return bytes(5, [bytes(1, name), ...data]);
}

/** @param {string} op @param {string[]} inputs @param {string} output @param {Record<string, number | number[]>} [attributes] */
const operator = (op, inputs, output, attributes = {}) =>
  bytes(1, [
    ...inputs.map((name) => bytes(1, name)),
    bytes(2, output),
    bytes(4, op),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  ]);

/** @param {string} name @param {number[]} shape @param {number} bound drawn uniformly from around ± bound */
function weights(name, shape, bound, around = 0) {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => around + bound * (2 * Math.random() - 1));
  return bytes(5, [...shape.map((n) => whole(1, n)), whole(2, float), bytes(8, name), bytes(9, new Uint8Array(values.buffer))]);
}

/** @param {number} field @param {string} name @param {number[]} shape */
const value = (field, name, shape) =>
  bytes(field, [
    bytes(1, name),
    bytes(
      2,
      bytes(1, [
        whole(1, float),
        bytes(
          2,
          shape.map((n) => bytes(1, whole(1, n))),
        ),
      ]),
    ),
  ]);

/**
 * The file's bytes. Input `x`, images NCHW; output `y`.
 * @param {number[]} input its shape, images NHWC
 * @param {readonly Layer[]} layers
 * @param {number} outputs
 */
export function onnxModel([batch, ...rest], layers, outputs) {
  const shape = rest.length === 3 ? [batch, rest[2], rest[0], rest[1]] : [batch, ...rest];
  /** @type {Buffer[]} */
  const parts = [];
  let count = 0;
  const constant = (/** @type {number[]} */ size, /** @type {number} */ bound, around = 0) => {
    const name = `c${count++}`;
    parts.push(weights(name, size, bound, around));
    return name;
  };
  const apply = (
    /** @type {string} */ op,
    /** @type {string[]} */ inputs,
    /** @type {Record<string, number | number[]>} */ attributes = {},
  ) => {
    const name = `h${count++}`;
    parts.push(operator(op, inputs, name, attributes));
    return name;
  };
  const chain = (/** @type {readonly Layer[]} */ of, /** @type {string} */ start) => of.reduce(addLayer, start);
  /** @param {string} x @param {Layer} layer @returns {string} */
  function addLayer(x, layer) {
    switch (layer.kind) {
      case "linear": {
        const bound = 1 / Math.sqrt(layer.in);
        return apply("Gemm", [x, constant([layer.in, layer.out], bound), constant([layer.out], bound)]);
      }
      case "conv2d": {
        const { kernel, padding, stride, groups, bias } = layer;
        const bound = 1 / Math.sqrt((layer.in / groups) * kernel ** 2);
        const w = constant([layer.out, layer.in / groups, kernel, kernel], bound);
        const attributes = { kernel_shape: [kernel, kernel], pads: new Array(4).fill(padding), strides: [stride, stride], group: groups };
        return apply("Conv", bias ? [x, w, constant([layer.out], bound)] : [x, w], attributes);
      }
      case "batchNorm": {
        const [scale, offset, mean, variance] = [1, 0, 0, 1].map((around) => constant([layer.channels], 0.1, around));
        return apply("BatchNormalization", [x, scale, offset, mean, variance]);
      }
      case "maxPool2d": {
        const window = [layer.window, layer.window];
        return apply("MaxPool", [x], { kernel_shape: window, strides: window });
      }
      case "residual":
        return apply("Add", [chain(layer.main, x), chain(layer.shortcut, x)]);
      case "globalAvgPool2d":
        return apply("Flatten", [apply("GlobalAveragePool", [x])]);
      case "relu6":
        return apply("Clip", [x, constant([], 0, 0), constant([], 0, 6)]);
      default:
        return apply({ relu: "Relu", tanh: "Tanh", flatten: "Flatten" }[layer.kind], [x]);
    }
  }
  parts.push(operator("Identity", [chain(layers, "x")], "y"));
  return file(parts, shape, [batch, outputs]);
}

/**
 * One product or convolution, its second operand a constant, which may be packed beforehand.
 * @param {Kernel} kernel
 * @returns {{ model: Buffer, input: number[], output: number[] }}
 */
export function onnxKernel({ op, size }) {
  const { m, n, k, c, h, r, s, p, g, o } = size;
  const [input, output] = op === "gemm" ? [[m, k], [m, n]] : [[n, c, h, h], [n, k, o, o]]; // biome-ignore format: pairs
  const parts =
    op === "gemm"
      ? [operator("MatMul", ["x", "w"], "y"), weights("w", [k, n], 1)]
      : [
          operator("Conv", ["x", "w"], "y", { kernel_shape: [r, r], pads: new Array(4).fill(p), strides: [s, s], group: g }),
          weights("w", [k, c / g, r, r], 1),
        ];
  return { model: file(parts, input, output), input, output };
}

/** @param {Buffer[]} parts operators and constants @param {number[]} input shape of x @param {number[]} output shape of y */
function file(parts, input, output) {
  const graph = [...parts, bytes(2, "network"), value(11, "x", input), value(12, "y", output)];
  return Buffer.concat([whole(1, 8), bytes(7, graph), bytes(8, whole(2, 13))]);
}
