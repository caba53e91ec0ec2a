/** `nabla/synthesis`: training data made of other data. */
export { mixAtSnr, NoiseMixer, type NoiseMixerOptions, type NoiseUse } from "./audio.js";
export { type Collage, type CollageOptions, type CutOut, collage, type Placed } from "./collage.js";
