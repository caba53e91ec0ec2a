/** From a graph to a program: capture → partition → schedule → emit → share memory. */
import type { Graph } from "../graph/signature.js";
import type { Program } from "../runtime/program.js";
import { Assembly, Emitter, type Place } from "./emit.js";
import { compact, planMemory, reuseInPlace } from "./memory.js";
import { capture } from "./value.js";

export interface Compiled {
  readonly program: Program;
  /** What stands at each external place. */
  readonly places: readonly Place[];
  /** Positions in the graph of the uniforms, by slot. */
  readonly uniforms: readonly number[];
}

/** Compiles a graph whose nodes' positions are those of its own walk. */
export function compileGraph(graph: Graph): Compiled {
  const assembly = new Assembly();
  new Emitter(assembly, capture(graph)).emit();
  const shared = compact(assembly.buffers, reuseInPlace(assembly.buffers, assembly.instructions));
  const { buffers, arenaBytes } = planMemory(shared.buffers, shared.instructions);
  const { places, uniforms } = assembly;
  return { program: { buffers, instructions: shared.instructions, uniformCount: uniforms.length, arenaBytes }, places, uniforms };
}
