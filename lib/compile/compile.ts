/** From a graph to a program: capture → rematerialize → partition → schedule → emit → cut bands → recompute → share memory. */
import { sizeOf } from "../base/shape.js";
import type { Graph } from "../graph/signature.js";
import type { Program } from "../runtime/program.js";
import { cutBands } from "./bands.js";
import { Assembly, Emitter, type Place } from "./emit.js";
import { compact, planMemory, reuseInPlace } from "./memory.js";
import { recompute } from "./recompute.js";
import { rematerialize } from "./rematerialize.js";
import { capture } from "./value.js";

export interface Compiled {
  readonly program: Program;
  /** What stands at each external place. */
  readonly places: readonly Place[];
  /** Positions in the graph of the uniforms, by slot. */
  readonly uniforms: readonly number[];
}

/** What tests switch off, to compare programs that must compute the same. */
export interface CompileOptions {
  /** Elementwise ops meet in one instruction. Default true. */
  readonly fuse?: boolean;
  /** Intermediate values share memory, and bands of images a core's cache. Default true. */
  readonly share?: boolean;
  /** Bytes of intermediate values beyond which some are computed again rather than kept, those of at least a 256th part. Default 256 MB. */
  readonly plenty?: number;
  /** Elements from which on a value that is cheap to compute is computed where it is read, again and again, rather than kept. Default 65536. */
  readonly large?: number;
  /** Elements from which on a sum over first axes is taken in the pass that computes them; moments from a 64th on. Default 2²⁰. */
  readonly summed?: number;
}

const plentyOfBytes = 256 * 1024 * 1024;
/** Writing and reading less than that costs no more than computing. */
const largeSize = 1 << 16;
/** Fewer stay in a core's caches, where reading them again costs less than summing a block at a time. */
const summedSize = 1 << 20;

/** Compiles a graph whose nodes' positions are those of its own walk. */
export function compileGraph(
  graph: Graph,
  { fuse = true, share = true, plenty = plentyOfBytes, large = largeSize, summed = summedSize }: CompileOptions = {},
): Compiled {
  const assembly = new Assembly({ fuse, large, summed });
  const captured = capture(graph);
  // A program of small values need not load what computes large ones again, nor one without convolutions what cuts bands.
  const isLarge = fuse && captured.values.some(({ shape }) => sizeOf(shape) >= large);
  new Emitter(assembly, isLarge ? rematerialize(captured, large) : captured).emit();
  const inPlace = share ? reuseInPlace(assembly.buffers, assembly.instructions) : assembly.instructions;
  const isBanded = share && inPlace.some(({ kernel }) => kernel === "conv2d");
  const banded = isBanded ? cutBands(assembly.buffers, inPlace) : { buffers: assembly.buffers, instructions: inPlace };
  const whole = planMemory(compact(banded), share);
  const lean = share && whole.arenaBytes > plenty ? planMemory(compact(recompute(banded, plenty / 256)), share) : whole;
  const { places, uniforms } = assembly;
  return { program: { ...(lean.arenaBytes < whole.arenaBytes ? lean : whole), uniformCount: uniforms.length }, places, uniforms };
}
