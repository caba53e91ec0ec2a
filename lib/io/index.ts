/** `nabla/io`: file formats. */
export { decodeElements, encodeElements } from "./elements.js";
export { writeFileAtomic } from "./files.js";
export { encodeSafetensors, parseSafetensors, type RawTensor, type SafetensorsFile, type SafetensorsType } from "./safetensors.js";
