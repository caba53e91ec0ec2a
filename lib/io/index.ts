/** `nabla/io`: file formats. */
export { decodeElements, encodeElements } from "./elements.js";
export { writeFileAtomic } from "./files.js";
export {
  type ArrayLayout,
  type ArrayPlace,
  encodeSafetensors,
  layoutSafetensors,
  parseSafetensors,
  parseSafetensorsHead,
  type RawTensor,
  type SafetensorsFile,
  type SafetensorsLayout,
  type SafetensorsType,
  safetensorsHeadSize,
} from "./safetensors.js";
