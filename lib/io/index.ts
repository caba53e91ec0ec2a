/** `nabla/io`: file formats. */
export { decodeElements, encodeElements } from "./elements.js";
export { writeFileAtomic } from "./files.js";
export {
  type ArrayLayout,
  encodeSafetensors,
  layoutSafetensors,
  parseSafetensors,
  type RawTensor,
  type SafetensorsFile,
  type SafetensorsLayout,
  type SafetensorsType,
} from "./safetensors.js";
