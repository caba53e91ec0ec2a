/**
 * Philox4x32-10: random words as a pure function of (key, counter), so that any draw can be made again, in any order, on
 * any machine. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */

/** The four words of one block, as unsigned 32-bit numbers. */
export type Words = [number, number, number, number];

/** Upper 32 bits of the 64-bit product of two 32-bit words, by schoolbook multiplication of their 16-bit halves. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  // (2¹⁶ − 1)² + 2 · (2¹⁶ − 1) < 2³²: neither sum overflows a word.
  const middle = Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16);
  const carry = Math.imul(aLow, bHigh) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** The block at `counter` (four words, lowest first) under `key` (two words). */
export function philox4x32(counter: Readonly<Words>, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(0xd2511f53, c0);
    const high1 = highProduct(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** Low and high word of a whole number below 2⁵³. */
export function splitWords(n: number): [number, number] {
  return [n % 0x100000000, Math.floor(n / 0x100000000)];
}

/** Random numbers drawn one after another; the same for equal seed and stream, whatever else was drawn elsewhere. */
export class WordStream {
  private readonly key: [number, number];
  private readonly stream: [number, number];
  private words: Readonly<Words> = [0, 0, 0, 0];

  /** `seed` and `stream` are whole numbers from 0 to 2⁵³ − 1; `drawn`, of words that count as drawn already, is a multiple of four. */
  constructor(
    seed: number,
    stream = 0,
    private drawn = 0,
  ) {
    this.key = splitWords(seed);
    this.stream = splitWords(stream);
  }

  /** A whole number from 0 to 2³² − 1. */
  next(): number {
    const at = this.drawn % 4;
    if (at === 0) this.words = philox4x32([...splitWords(this.drawn / 4), ...this.stream], this.key);
    this.drawn++;
    return this.words[at];
  }

  /** A number from 0 (included) to 1 (not), with 53 random bits. */
  uniform(): number {
    const high = this.next() >>> 5;
    return (high * 0x4000000 + (this.next() >>> 6)) / 0x20000000000000;
  }

  /** From the standard normal distribution. Source: Box & Muller 1958. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number from 0 to n − 1, each as likely as any other; 0 < n ≤ 2³². */
  below(n: number): number {
    // The largest multiple of n; what lies above it would favour small results.
    const limit = 0x100000000 - (0x100000000 % n);
    let word = this.next();
    while (word >= limit) word = this.next();
    return word % n;
  }
}
