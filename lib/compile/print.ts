/** A program as text, for people: buffers with their places, then one line an instruction. */
import type { Instruction, Program, Tile, View } from "../runtime/program.js";

export function printProgram({ buffers, instructions, arenaBytes, uniformCount }: Program): string {
  const lines = [`program: ${instructions.length} instructions, ${arenaBytes} arena bytes, ${uniformCount} uniforms`];
  buffers.forEach(({ kind, dtype, size, place }, i) => {
    lines.push(`  %${i} = ${kind} ${dtype} × ${size} at ${kind === "arena" ? "byte" : "place"} ${place}`);
  });
  let indent = "  ";
  for (const instruction of instructions) {
    if (instruction.kernel === "end") indent = indent.slice(2);
    lines.push(indent + printInstruction(instruction));
    if (instruction.kernel === "loop") indent += "  ";
  }
  return lines.join("\n");
}

function printInstruction({ kernel, outputs, inputs, attrs, tile, prologue, label }: Instruction): string {
  const attrText = attrs.length > 0 ? ` {${attrs.join(", ")}}` : "";
  const text = (name: string, of: Tile | undefined) => (of === undefined ? "" : ` ${name}[${printTile(of)}]`);
  return `${outputs.map(printView).join(", ")}${outputs.length > 0 ? " = " : ""}${kernel}(${inputs.map(printView).join(", ")})${attrText}${text("of ", prologue)}${text("", tile)}  # ${label}`;
}

function printView({ buffer, offset, shape, strides, steps }: View): string {
  let step = 1;
  let isRowMajor = true;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (strides[i] !== step && shape[i] !== 1) isRowMajor = false;
    step *= shape[i];
  }
  const at = offset === 0 ? "" : `+${offset}`;
  const stride = isRowMajor ? "" : ` by ${strides.join(",")}`;
  const loop = steps === undefined ? "" : ` step ${steps.join(",")}`;
  return `%${buffer}${at}[${shape.join("×")}${stride}${loop}]`;
}

function printTile({ dtype, steps, stores }: Tile): string {
  const text = steps.map(({ op, args }, i) => {
    if (op === "load") return `r${i} = in${args[0]}`;
    if (op === "const") return `r${i} = ${args[0]}`;
    if (op === "uniform") return `r${i} = u${args[0]}`;
    return `r${i} = ${op}(${args.map((a) => `r${a}`).join(", ")})`;
  });
  return `${dtype}: ${text.join("; ")} → ${stores.map((r) => `r${r}`).join(", ")}`;
}
