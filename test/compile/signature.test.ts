/** Graphs that count as equal have the same program, since one is run in the other's stead. */
import { expect, it } from "vitest";
import { compileGraph } from "../../lib/compile/compile.js";
import { printProgram } from "../../lib/compile/print.js";
import { graphOf, hashGraph, Signature } from "../../lib/graph/signature.js";
import { Call, opNames, rowOf } from "../ops/properties.js";

it("whatever op is drawn", () => {
  for (const name of opNames) {
    const [dtype] = rowOf(name).dtypes ?? ["f32"];
    const drawn = [1, 2, 3, 4, 5, 6].flatMap((seed) => {
      const call = new Call(name, seed, dtype);
      return [call, call].map((twice) => {
        const y = twice.results();
        const graph = () => graphOf(y, []);
        return { call, graph, hash: hashGraph(graph()), program: printProgram(compileGraph(graph()).program) };
      });
    });
    for (const one of drawn) {
      const signature = new Signature(one.graph());
      for (const other of drawn) {
        const isSame = signature.matches(other.graph());
        if (one.call === other.call) expect(isSame, `${one.call} twice`).toBe(true);
        if (!isSame) continue;
        expect(other.program, `${one.call} against ${other.call}`).toBe(one.program);
        expect(other.hash, `${one.call} against ${other.call}`).toBe(one.hash);
      }
    }
  }
});
