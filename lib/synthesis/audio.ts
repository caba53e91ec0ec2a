/** Speech in noise, made of clean speech and of noise. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";

/** Mean of x². */
function power(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return sum / x.length;
}

/**
 * `clean` with noise at a signal-to-noise ratio of `snr` dB: 10·log₁₀(power of clean / power of the noise that is added). The noise begins at sample `offset`
 * and comes again from its start where it is too short.
 * @throws {ValueError} if one of them is silent.
 */
export function mixAtSnr(clean: ArrayLike<number>, noise: ArrayLike<number>, options: { snr: number; offset?: number }): Float32Array {
  const op = "mixAtSnr";
  const { snr, offset = 0 } = optionsOf(op, options, ["snr", "offset"]);
  if (!Number.isFinite(snr)) throw new ValueError(`${op}: snr must be a number of dB but is ${snr}`, { op, inputs: [snr] });
  if (noise.length === 0 || !Number.isInteger(offset) || offset < 0)
    throw new ValueError(`${op}: expected noise, and an offset ≥ 0 into it; there are ${noise.length} samples, offset ${offset}`, {
      op,
      inputs: [offset],
    });
  const added = Float32Array.from(clean, (_, i) => noise[(offset + i) % noise.length]);
  const [signal, disturbance] = [power(clean), power(added)];
  if (!(signal > 0 && disturbance > 0)) {
    throw new ValueError(`${op}: the ${signal > 0 ? "noise" : "clean signal"} is silent, so there is no ratio`, {
      op,
      inputs: [signal, disturbance],
    });
  }
  const gain = Math.sqrt(signal / (disturbance * 10 ** (snr / 10)));
  return Float32Array.from(clean, (x, i) => x + gain * added[i]);
}

export interface NoiseMixerOptions {
  /** Samples a second, of speech and noise alike. */
  readonly sampleRate: number;
  /** dB, drawn evenly between these. */
  readonly snr: readonly [low: number, high: number];
  /** Default 0. */
  readonly seed?: number;
  /** A recording of noise that was heard more often than so many times is a risk. Default 10. */
  readonly mostReuse?: number;
}

/** How often a recording of noise was used. */
export interface NoiseUse {
  readonly name: string;
  readonly seconds: number;
  /** Of speech that was mixed with it. */
  readonly usedSeconds: number;
  /** usedSeconds / seconds: how often each second of it was heard. */
  readonly reuse: number;
  readonly isRisk: boolean;
}

/** Mixes speech with recordings of noise at random places and ratios, and counts how often it uses each. */
export class NoiseMixer {
  private readonly random: WordStream;
  private readonly used = new Map<string, number>();

  constructor(
    private readonly noises: Readonly<Record<string, ArrayLike<number>>>,
    private readonly options: NoiseMixerOptions,
  ) {
    const op = "NoiseMixer";
    const { sampleRate, snr, seed = 0 } = optionsOf(op, options, ["sampleRate", "snr", "seed", "mostReuse"]);
    if (Object.keys(noises).length === 0) throw new ValueError(`${op}: there is no noise`, { op });
    if (!(sampleRate > 0 && snr[0] <= snr[1])) {
      throw new ValueError(`${op}: expected a sampleRate above 0 and low ≤ high dB but received ${sampleRate}, ${snr.join(" to ")}`, {
        op,
      });
    }
    this.random = new WordStream(seed);
  }

  mix(clean: ArrayLike<number>): { readonly audio: Float32Array; readonly noise: string; readonly snr: number; readonly offset: number } {
    const names = Object.keys(this.noises);
    const noise = names[this.random.below(names.length)];
    const offset = this.random.below(this.noises[noise].length);
    const [low, high] = this.options.snr;
    const snr = low + (high - low) * this.random.uniform();
    const audio = mixAtSnr(clean, this.noises[noise], { snr, offset });
    this.used.set(noise, (this.used.get(noise) ?? 0) + clean.length);
    return { audio, noise, snr, offset };
  }

  uses(): NoiseUse[] {
    const { sampleRate, mostReuse = 10 } = this.options;
    return Object.entries(this.noises).map(([name, samples]) => {
      const [seconds, usedSeconds] = [samples.length / sampleRate, (this.used.get(name) ?? 0) / sampleRate];
      return { name, seconds, usedSeconds, reuse: usedSeconds / seconds, isRisk: usedSeconds / seconds > mostReuse };
    });
  }

  /** The risks as sentences; empty if there is none. */
  toString(): string {
    const sentences = this.uses()
      .filter(({ isRisk }) => isRisk)
      .map(({ name, seconds, usedSeconds, reuse }) => {
        const times = Math.round(reuse);
        return `${name}: ${seconds.toFixed(1)} s of noise under ${usedSeconds.toFixed(1)} s of speech, each second ${times} times: the network may learn this very noise by heart; record more.`;
      });
    return sentences.join("\n");
  }
}
