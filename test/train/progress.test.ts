import { fit, type History, losses, nn, optim, progress } from "nabla";
import { ArrayDataset } from "nabla/data";
import { expect, it } from "vitest";

/** A terminal that remembers. */
function screen(isTTY: boolean) {
  let text = "";
  const stream = {
    isTTY,
    columns: 120,
    write: (chunk: string) => {
      text += chunk;
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WriteStream, shown: () => text };
}

async function train(stream: NodeJS.WriteStream): Promise<History> {
  const data = new ArrayDataset({
    x: { data: Float32Array.from({ length: 64 }, Math.cos), shape: [64, 1], dtype: "f32" },
    y: { data: Float32Array.from({ length: 64 }, Math.sin), shape: [64, 1], dtype: "f32" },
  } as const);
  const model = nn.linear(1, 1);
  return fit(model, data, {
    loss: losses.mse,
    optimizer: optim.sgd(model.parameters(), { lr: 0.1 }),
    epochs: 2,
    validation: data,
    callbacks: [progress({ stream })],
  });
}

it("prints one table row an epoch where there is no terminal", async () => {
  const { stream, shown } = screen(false);
  const history = await train(stream);
  const lines = shown().trimEnd().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[0].trim().split(/\s+/)).toEqual(["epoch", "loss", "validation.loss", "samples/s", "time"]);
  expect(lines[2]).toContain("2/2");
  expect(lines[2]).toContain(history.epochs[1].scores.loss.toFixed(4));
  expect(shown()).not.toContain("\x1b");
});

it("draws a bar with loss, rate and time left in a terminal, and wipes it off", async () => {
  const { stream, shown } = screen(true);
  await train(stream);
  expect(shown()).toMatch(/\repoch 1\/2 ░{24} {3}0 %/);
  const afterLastBar = shown().slice(shown().lastIndexOf("\r\x1b[K"));
  expect(afterLastBar).toContain("2/2");
  expect(afterLastBar).not.toContain("█");
});
